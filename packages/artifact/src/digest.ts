import { createHash, type Hash, hash } from "node:crypto";

/** Name of content: `sha256:` and 64 lower-case hex digits. */
export type Digest = `sha256:${string}`;

/** A digest as it is written; its digits are put into it, since V8 would keep text that was joined in two parts. */
const written = Buffer.from(`sha256:${"0".repeat(64)}`);

/** Digest of bytes that are all at hand; text counts as UTF-8. */
export function digestOf(content: string | Uint8Array): Digest {
  written.write(hash("sha256", content, "hex"), "sha256:".length, "latin1");
  return written.toString("latin1") as Digest;
}

/**
 * Digest of so many bytes that come piece by piece.
 *
 * Where they come at once no state of the library is made: for a hundred thousand small files it is memory that
 * only a full collection of garbage gives back.
 */
export function digester(size: number): { update(chunk: Uint8Array): void; digest(): Digest } {
  let whole: Digest | undefined;
  let state: Hash | undefined;
  return {
    update(chunk) {
      if (chunk.byteLength === size) whole = digestOf(chunk);
      else (state ??= createHash("sha256")).update(chunk);
    },
    digest: () => whole ?? `sha256:${(state ?? createHash("sha256")).digest("hex")}`,
  };
}
