/** Everything in a tar archive comes in blocks of this many bytes. */
export const BLOCK = 512;

/** Longest name or link target, in bytes, that a header holds itself. */
const NAME_SIZE = 100;
/** First size that eleven octal digits cannot hold: 8 GiB. */
const HUGE = 8 ** 11;

/** One member of an archive. */
export interface Member {
  readonly type: "directory" | "file" | "link";
  readonly path: string;
  readonly mode: number;
  /** Bytes of content; 0 for all but files. */
  readonly size: number;
  /** For links only. */
  readonly target?: string;
}

/**
 * The header of a member, in GNU format: one block, and before it two or more for each name that is too
 * long for it. Times, owner and group are always 0.
 *
 * @see GNU tar manual, "Basic Tar Format" (`struct posix_header`, `OLDGNU_MAGIC`, `GNUTYPE_LONGNAME`,
 *   `GNUTYPE_LONGLINK`); GNU because old busybox reads long names only like this.
 */
export function memberHead({ type, path, mode, size, target = "" }: Member): Buffer {
  const name = Buffer.from(type === "directory" ? `${path}/` : path);
  const link = Buffer.from(target);
  const flag = { directory: "5", file: "0", link: "2" }[type];
  const parts = [headerBlock({ name, link, flag, mode, size })];

  if (name.length > NAME_SIZE) parts.unshift(longName("L", name));
  if (link.length > NAME_SIZE) parts.unshift(longName("K", link));
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
}

/** Bytes of zeros that fill the last block of this many bytes of content. */
export function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

interface Header {
  readonly name: Buffer;
  readonly link: Buffer;
  readonly flag: string;
  readonly mode: number;
  readonly size: number;
}

function headerBlock({ name, link, flag, mode, size }: Header): Buffer {
  const block = Buffer.alloc(BLOCK);
  name.copy(block, 0, 0, NAME_SIZE);
  block.write(octal(mode, 7), 100, "latin1");
  block.write(`${octal(0, 7)}\0${octal(0, 7)}\0`, 108, "latin1"); // uid, gid
  writeSize(block, size);
  block.write(octal(0, 11), 136, "latin1"); // mtime
  block.write(flag, 156, "latin1");
  link.copy(block, 157, 0, NAME_SIZE);
  block.write("ustar  \0", 257, "latin1");

  // The sum counts its own field as eight spaces.
  const sum = block.reduce((total, byte) => total + byte, 8 * 0x20);
  block.write(`${octal(sum, 6)}\0 `, 148, "latin1");
  return block;
}

function writeSize(block: Buffer, size: number): void {
  if (size < HUGE) {
    block.write(octal(size, 11), 124, "latin1");
    return;
  }
  // Base 256, big-endian, marked by the highest bit.
  block.writeUInt8(0x80, 124);
  block.writeBigUInt64BE(BigInt(size), 128);
}

function longName(flag: "L" | "K", name: Buffer): Buffer {
  const size = name.length + 1;
  const head = headerBlock({
    name: Buffer.from("././@LongLink"),
    link: Buffer.alloc(0),
    flag,
    mode: 0o644,
    size,
  });
  return Buffer.concat([head, name, Buffer.alloc(1 + padding(size))]);
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}
