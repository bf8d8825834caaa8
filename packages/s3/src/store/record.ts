import { randomBytes } from "node:crypto";

/** Hexadecimal digits of a nonce. */
const NONCE = 32;

/** Bytes of the shortest value: none, a line feed, the nonce. */
const SHORTEST = NONCE + 1;

/** What an object of a store holds: no two writes have equal bytes, and so none have equal ETags. */
export interface StoreRecord {
  readonly body: Uint8Array;
  /** Tells whether bytes are of this very write. */
  isOurs(found: Uint8Array): boolean;
}

/**
 * Makes what is stored for a value: the value as it is, and a random line below.
 *
 * Without a value it says that the key was removed, and is shorter than any value.
 */
export function recordOf(value?: Uint8Array): StoreRecord {
  const nonce = randomBytes(NONCE / 2).toString("hex");
  const body = value === undefined ? nonce : Buffer.concat([value, Buffer.from(`\n${nonce}`)]);
  return { body: Buffer.from(body), isOurs: (found) => nonceOf(found) === nonce };
}

/** The value of a record; undefined when the key was removed, null when no store wrote these bytes. */
export function valueOf(stored: Uint8Array): Uint8Array | undefined | null {
  if (nonceOf(stored) === undefined) return null;
  if (stored.length === NONCE) return undefined;
  const end = stored.length - SHORTEST;
  return stored[end] === 0x0a ? stored.subarray(0, end) : null;
}

/** Tells from its size alone whether an object holds a value. */
export function holdsValue(size: number): boolean {
  return size >= SHORTEST;
}

function nonceOf(stored: Uint8Array): string | undefined {
  const text = Buffer.from(stored.subarray(-NONCE)).toString("latin1");
  return /^[0-9a-f]{32}$/.test(text) ? text : undefined;
}
