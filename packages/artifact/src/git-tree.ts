import { sourceChanged } from "@lockstep/plugin";
import type { BlobReader } from "./blobs.ts";
import type { Child, Tree } from "./tree.ts";

/** What a tree of a commit is made from. */
export interface Committed {
  readonly name: string;
  /** What `git ls-tree -r -t -z -l` printed. */
  readonly listing: Buffer;
  readonly blobs: BlobReader;
}

/** The tree that git listed. */
export function committedTree({ name, listing, blobs }: Committed): Tree {
  const lines = linesOf(listing).map(parseLine);
  const directories = grouped(lines);
  const objects = new Map(lines.map((line) => [pathOf(line), line]));

  return {
    name,
    children: (directory) =>
      Promise.all((directories.get(keyOf(directory)) ?? []).map((line) => childOf(line, blobs))),
    async *read({ path, size }, { signal } = {}) {
      const line = objects.get(keyOf(path));
      if (line === undefined) throw sourceChanged(path, { wanted: "a file", found: null });
      yield* blobs.read({ object: line.object, size }, signal);
    },
  };
}

/** One line of git's list. Keys are the bytes of paths, one character each, so that none are lost. */
interface Line {
  readonly mode: string;
  readonly object: string;
  readonly size: number;
  readonly directory: string;
  readonly name: Buffer;
}

function grouped(lines: readonly Line[]): ReadonlyMap<string, readonly Line[]> {
  const directories = new Map<string, Line[]>();
  for (const line of lines) {
    const others = directories.get(line.directory);
    if (others === undefined) directories.set(line.directory, [line]);
    else others.push(line);
  }
  return directories;
}

function linesOf(listing: Buffer): readonly Buffer[] {
  const lines: Buffer[] = [];
  let start = 0;
  for (let end = listing.indexOf(0); end !== -1; end = listing.indexOf(0, start)) {
    lines.push(listing.subarray(start, end));
    start = end + 1;
  }
  return lines;
}

/** `MODE TYPE OBJECT SIZE`, a tab, the path; sizes are filled up with spaces, `-` for what has none. */
function parseLine(line: Buffer): Line {
  const tab = line.indexOf("\t");
  const [mode = "", , object = "", size = ""] = line.toString("latin1", 0, tab).split(/ +/);
  const path = line.subarray(tab + 1);
  const slash = path.lastIndexOf("/");
  return {
    mode,
    object,
    size: size === "-" ? 0 : Number(size),
    directory: path.toString("latin1", 0, Math.max(slash, 0)),
    name: path.subarray(slash + 1),
  };
}

async function childOf({ mode, object, size, name }: Line, blobs: BlobReader): Promise<Child> {
  switch (mode) {
    case "040000":
      return { name, kind: "directory" };
    case "120000":
      return { name, kind: "link", target: await blobs.whole({ object, size }) };
    case "160000":
      return { name, kind: "special", what: "a submodule, whose files are in another repository" };
    default:
      return { name, kind: "file", size, executable: mode === "100755" };
  }
}

function pathOf({ directory, name }: Line): string {
  return `${directory === "" ? "" : `${directory}/`}${name.toString("latin1")}`;
}

function keyOf(path: string): string {
  return Buffer.from(path).toString("latin1");
}
