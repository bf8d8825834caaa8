import { createHash, hash } from "node:crypto";

/** Name of content: `sha256:` and 64 lower-case hex digits. */
export type Digest = `sha256:${string}`;

/** Digest of bytes that are all at hand; text counts as UTF-8. */
export function digestOf(content: string | Uint8Array): Digest {
  return `sha256:${hash("sha256", content, "hex")}`;
}

/** Digest of bytes that come piece by piece. */
export function digester(): { update(chunk: Uint8Array): void; digest(): Digest } {
  const state = createHash("sha256");
  return {
    update: (chunk) => void state.update(chunk),
    digest: () => `sha256:${state.digest("hex")}`,
  };
}
