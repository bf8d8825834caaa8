import { hash } from "node:crypto";

/** What a signer takes in place of a class of hashes: SHA-256, and HMAC where there is a key. */
export interface SigningHash {
  update(chunk: Uint8Array): void;
  digest(): Promise<Uint8Array>;
}

/** Bytes that SHA-256 takes at a time. */
const BLOCK = 64;

/**
 * SHA-256 without a state of the library behind it.
 *
 * A signature takes one digest and two of HMAC, a deploy many signatures: states cost more than the digests
 * do, and only a full collection of garbage gives them back.
 *
 * @see RFC 2104, section 2, "Definition of HMAC"
 */
export class OneShotSha256 implements SigningHash {
  readonly #key: Uint8Array | undefined;
  readonly #chunks: Uint8Array[] = [];

  constructor(key?: string | ArrayBuffer | ArrayBufferView) {
    this.#key = key === undefined ? undefined : bytesOf(key);
  }

  update(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
  }

  async digest(): Promise<Uint8Array> {
    if (this.#key === undefined) return sha256(this.#chunks);
    const key = this.#key.byteLength > BLOCK ? sha256([this.#key]) : this.#key;
    const inner = sha256([padded(key, 0x36), ...this.#chunks]);
    return sha256([padded(key, 0x5c), inner]);
  }
}

function padded(key: Uint8Array, mark: number): Uint8Array {
  const block = Buffer.alloc(BLOCK, mark);
  for (let at = 0; at < key.byteLength; at += 1) block[at] = mark ^ (key[at] ?? 0);
  return block;
}

function sha256(chunks: readonly Uint8Array[]): Uint8Array {
  const [only] = chunks;
  const bytes = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
  return hash("sha256", bytes, "buffer");
}

function bytesOf(key: string | ArrayBuffer | ArrayBufferView): Uint8Array {
  if (typeof key === "string") return Buffer.from(key);
  if (key instanceof ArrayBuffer) return Buffer.from(key);
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength);
}
