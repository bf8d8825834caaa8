import { closeSync, constants, openSync, readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { sourceChanged } from "@lockstep/plugin";
import type { Reading } from "./artifact.ts";
import { sourceUnreadable } from "./errors.ts";
import type { SizedFile } from "./tree.ts";

/** Most bytes read at once. */
const PIECE = 256 * 1024;
/** Files of at most this many bytes are read at once. */
const SMALL = 64 * 1024;
/** Never follows a link that took the place of a file, never waits for the writer of a fifo. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Reads a file below a directory of this machine, as a tree does. */
export type ReadFile = (file: SizedFile, reading: Reading) => AsyncGenerator<Uint8Array>;

/** @param root - The directory, absolute, with no link in it. */
export function fileReader(root: string): ReadFile {
  // Memory for each file would be given back by the next full collection of garbage, long after its file.
  const free: Buffer[] = [];
  return async function* read(file, { signal, isPassing = false }) {
    const room = isPassing ? (free.pop() ?? Buffer.allocUnsafeSlow(PIECE)) : undefined;
    try {
      if (file.size > SMALL) yield* pieces(root, file, { signal, room });
      else {
        const bytes = whole(root, file, room);
        if (bytes.length > 0) yield bytes;
      }
    } finally {
      if (room !== undefined) free.push(room);
    }
  };
}

/** A small file, read at once: a promise for each of its three calls would cost many times what they do. */
function whole(root: string, { path, size }: SizedFile, room?: Buffer): Uint8Array {
  // One byte more, so that a file that grew shows it without a second look.
  const bytes = room?.subarray(0, size + 1) ?? Buffer.allocUnsafe(size + 1);
  const found = readWhole(join(root, path), bytes);
  if (found !== size) throw resized(path, { wanted: size, found });
  return bytes.subarray(0, size);
}

function readWhole(place: string, room: Buffer): number {
  try {
    const file = openSync(place, FLAGS);
    try {
      return readSync(file, room, 0, room.length, null);
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    throw unreadable(place, cause);
  }
}

async function* pieces(
  root: string,
  { path, size }: SizedFile,
  {
    signal,
    room,
  }: { readonly signal?: AbortSignal | undefined; readonly room?: Buffer | undefined },
): AsyncGenerator<Uint8Array> {
  const place = join(root, path);
  await using file = await opened(place);
  let total = 0;

  for (;;) {
    signal?.throwIfAborted();
    const most = Math.min(size - total + 1, PIECE);
    const piece = await filled(file, room?.subarray(0, most) ?? Buffer.allocUnsafe(most), place);
    total += piece.length;
    if (total > size) break;
    if (piece.length > 0) yield piece;
    // A short read of a regular file is its end.
    if (piece.length < most) break;
  }
  if (total !== size) throw resized(path, { wanted: size, found: total });
}

async function opened(place: string): Promise<FileHandle> {
  try {
    return await open(place, FLAGS);
  } catch (cause) {
    throw unreadable(place, cause);
  }
}

async function filled(file: FileHandle, room: Buffer, place: string): Promise<Buffer> {
  try {
    const { bytesRead } = await file.read(room, 0, room.length, null);
    return room.subarray(0, bytesRead);
  } catch (cause) {
    throw unreadable(place, cause);
  }
}

function resized(path: string, { wanted, found }: { wanted: number; found: number }): Error {
  const size = found > wanted ? `more than ${wanted}` : String(found);
  return sourceChanged(path, { wanted: `${wanted} bytes`, found: `${size} bytes` });
}

/** Why something that was listed a moment ago cannot be read. */
export function unreadable(place: string, cause: unknown): Error {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  // Gone, or replaced by a link or a file.
  if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP") {
    return sourceChanged(place, { wanted: "what was listed", found: null });
  }
  return sourceUnreadable(place, cause);
}
