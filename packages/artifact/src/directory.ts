import { constants, lstatSync, readlinkSync, type Stats } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { fileReader, unreadable } from "./file-reader.ts";
import type { Child, Tree } from "./tree.ts";

/** Milliseconds of reading after which everything else has a turn. */
const MOST_MS = 10;
/** Milliseconds in which changes of a file may have one and the same time, by far. */
const TICK_MS = 100;

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
  const read = fileReader(root);
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
    async *read(file, reading = {}) {
      await rest();
      reading.signal?.throwIfAborted();
      yield* read(file, reading);
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

function look(directory: string, name: Buffer, hasState: boolean): Child {
  const place = Buffer.concat([Buffer.from(`${directory}/`), name]);
  const stats = lstatSync(place);
  if (stats.isDirectory()) return { name, kind: "directory" };
  if (stats.isSymbolicLink()) {
    return { name, kind: "link", target: readlinkSync(place, { encoding: "buffer" }) };
  }
  if (!stats.isFile()) return { name, kind: "special", what: kindOf(stats) };
  const executable = (stats.mode & constants.S_IXUSR) !== 0;
  // the same number: V8 gives those of Stats memory of their own, in every object that has one
  const size = Math.trunc(stats.size);
  const state = hasState ? stateOf(stats) : undefined;
  return { name, kind: "file", size, executable, state };
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
