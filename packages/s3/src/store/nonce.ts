import { randomBytes } from "node:crypto";

/** A line at the end of every stored value: a line feed, and 32 hex digits. */
const LENGTH = 33;

/** A value as it is stored: no two writes have equal bytes, and so none have equal ETags. */
export interface Marked {
  readonly body: Uint8Array;
  readonly nonce: string;
}

/** Adds a random line. What is before it stays readable as it is. */
export function marked(value: Uint8Array): Marked {
  const nonce = randomBytes(16).toString("hex");
  return { body: Buffer.concat([value, Buffer.from(`\n${nonce}`)]), nonce };
}

/** Takes the line off again; undefined for what was not written so. */
export function unmarked(stored: Uint8Array): { value: Uint8Array; nonce: string } | undefined {
  const at = stored.length - LENGTH;
  if (at < 0) return undefined;
  const line = Buffer.from(stored.subarray(at)).toString("latin1");
  const nonce = /^\n([0-9a-f]{32})$/.exec(line)?.[1];
  return nonce === undefined ? undefined : { value: stored.subarray(0, at), nonce };
}
