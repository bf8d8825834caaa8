import type { S3Connection } from "../connection.ts";
import type { Base } from "../moves.ts";

/** Reads the releases that a step starts from. */
export async function baseOf(
  connection: S3Connection,
  { from, also }: { readonly from: string | null; readonly also: string | null },
  signal?: AbortSignal,
): Promise<Base> {
  return {
    from: from === null ? null : await connection.release(from, signal),
    also: also === null ? null : await connection.release(also, signal),
  };
}

/** The beginning of the digest, for people. */
export function shortRef(ref: string): string {
  return ref.slice(0, "sha256:".length + 12);
}
