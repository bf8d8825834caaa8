import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  type Stats,
} from "node:fs";
import { type FileHandle, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { sourceChanged } from "@lockstep/plugin";
import { sourceUnreadable } from "./errors.ts";
import type { Child, SizedFile, Tree } from "./tree.ts";

/** Most bytes read at once. */
const PIECE = 256 * 1024;
/** Files of at most this many bytes are read at once. */
const SMALL = 64 * 1024;
/** Milliseconds of reading after which everything else has a turn. */
const MOST_MS = 10;
/** Milliseconds in which changes of a file may have one and the same time, by far. */
const TICK_MS = 100;
/** Never follows a link that took the place of a file, never waits for the writer of a fifo. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** How a tree is listed. */
export interface DirectoryOptions {
  /** Whether files are told with their state, which takes memory for each; default no. */
  readonly hasStates?: boolean;
}

/**
 * The tree below a directory of this machine.
 *
 * @param root - Absolute, with no link in it.
 * @param name - What messages call it.
 */
export function directoryTree(
  root: string,
  name: string,
  { hasStates = false }: DirectoryOptions = {},
): Tree {
  const rest = breather();
  return {
    name,
    async children(directory) {
      const place = join(root, directory);
      try {
        const names = await readdir(place, { encoding: "buffer", withFileTypes: true });
        await rest();
        return names.map(({ name: found }) => look(place, found, hasStates));
      } catch (cause) {
        throw unreadable(place, cause);
      }
    },
    async *read(file, signal) {
      await rest();
      signal?.throwIfAborted();
      if (file.size > SMALL) yield* pieces(root, file, signal);
      else {
        const bytes = whole(root, file);
        if (bytes.length > 0) yield bytes;
      }
    },
  };
}

/** Lets everything else in the process have a turn now and then. */
function breather(): () => Promise<void> {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < MOST_MS) return;
    await turn();
    since = performance.now();
  };
}

/** A small file, read at once: a promise for each of its three calls would cost many times what they do. */
function whole(root: string, { path, size }: SizedFile): Uint8Array {
  const place = join(root, path);
  const room = Buffer.allocUnsafe(size + 1);
  const found = readWhole(place, room);
  if (found !== size) throw resized(path, { wanted: size, found });
  return room.subarray(0, size);
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

function look(directory: string, name: Buffer, hasState: boolean): Child {
  const place = Buffer.concat([Buffer.from(`${directory}/`), name]);
  const stats = lstatSync(place);
  if (stats.isDirectory()) return { name, kind: "directory" };
  if (stats.isSymbolicLink()) {
    return { name, kind: "link", target: readlinkSync(place, { encoding: "buffer" }) };
  }
  if (!stats.isFile()) return { name, kind: "special", what: kindOf(stats) };
  const executable = (stats.mode & constants.S_IXUSR) !== 0;
  const state = hasState ? stateOf(stats) : undefined;
  return { name, kind: "file", size: stats.size, executable, state };
}

/**
 * What nobody can set back: the time of the last change, by the clock of the file system. It has ticks, so that of
 * a file that changed just now the next change may look the same.
 */
function stateOf({ dev, ino, size, ctimeMs }: Stats): string | undefined {
  return Date.now() - ctimeMs < TICK_MS ? undefined : `${dev} ${ino} ${size} ${ctimeMs}`;
}

function kindOf(stats: Stats): string {
  if (stats.isSocket()) return "a socket";
  if (stats.isFIFO()) return "a named pipe";
  return "a device";
}

async function* pieces(
  root: string,
  { path, size }: SizedFile,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const place = join(root, path);
  await using file = await opened(place);
  let total = 0;

  for (;;) {
    signal?.throwIfAborted();
    // One byte more than is left, so that a file that grew shows it without a second look.
    const room = Math.min(size - total + 1, PIECE);
    const piece = await filled(file, Buffer.allocUnsafe(room), place);
    total += piece.length;
    if (total > size) break;
    if (piece.length > 0) yield piece;
    // A short read of a regular file is its end.
    if (piece.length < room) break;
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

function unreadable(place: string, cause: unknown): Error {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  // Listed a moment ago: gone, or replaced by a link or a file.
  if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP") {
    return sourceChanged(place, { wanted: "what was listed", found: null });
  }
  return sourceUnreadable(place, cause);
}
