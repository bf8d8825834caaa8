import { createHash, hash } from "node:crypto";

/**
 * Name of content: `sha256:` and 64 lower-case hex digits.
 *
 * @see OCI image specification, "descriptor.md", section "Digests"
 */
export type Digest = `sha256:${string}`;

/** Digest of bytes that are all at hand; text counts as UTF-8. */
export function digestOf(content: string | Uint8Array): Digest {
  return `sha256:${hash("sha256", content, "hex")}`;
}

/** Digest of bytes that come piece by piece, and how many they were. */
export function digester(): Digester {
  const state = createHash("sha256");
  let size = 0;
  return {
    update(chunk) {
      state.update(chunk);
      size += chunk.length;
    },
    finish: () => ({ digest: `sha256:${state.digest("hex")}`, size }),
  };
}

/** See {@link digester}. */
export interface Digester {
  update(chunk: Uint8Array): void;
  /** May be called once. */
  finish(): { readonly digest: Digest; readonly size: number };
}

/** Tells a digest from any other text. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === "string" && /^sha256:[0-9a-f]{64}$/.test(text);
}
