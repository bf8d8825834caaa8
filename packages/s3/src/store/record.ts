import { randomBytes } from "node:crypto";

/** Bytes of a nonce, as hexadecimal digits. */
const NONCE = 32;

/** Bytes before the value of a record: the nonce and a line break. */
const HEADER = NONCE + 1;

/** An object of a store: a nonce, so that equal values never have equal ETags, then the value. */
export interface StoreRecord {
  readonly body: Uint8Array;
  /** Tells whether bytes are of this very record. */
  isOurs(found: Uint8Array): boolean;
}

/** Makes the record of a value; without one it says that the key was removed, and is shorter than any other. */
export function recordOf(value?: Uint8Array): StoreRecord {
  const nonce = randomBytes(NONCE / 2).toString("hex");
  const body =
    value === undefined ? Buffer.from(nonce) : Buffer.concat([Buffer.from(`${nonce}\n`), value]);
  return { body, isOurs: (found) => nonceOf(found) === nonce };
}

/** The value of a record; undefined when the key was removed, null when these bytes are no record. */
export function valueOf(body: Uint8Array): Uint8Array | undefined | null {
  if (!/^[0-9a-f]{32}$/.test(nonceOf(body))) return null;
  if (body.byteLength === NONCE) return undefined;
  return body[NONCE] === 0x0a ? body.subarray(HEADER) : null;
}

/** Tells from its size alone whether an object holds a value. */
export function holdsValue(size: number): boolean {
  return size >= HEADER;
}

function nonceOf(body: Uint8Array): string {
  return Buffer.from(body.subarray(0, NONCE)).toString("latin1");
}
