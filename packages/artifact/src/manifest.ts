import { createHash } from "node:crypto";
import type { Entry, Manifest } from "./artifact.ts";
import type { Digest } from "./digest.ts";
import { manifestInvalid } from "./errors.ts";
import { isCleanPath, isCleanTarget } from "./names.ts";

const DIRECTORY = /^d 755 (?<path>.+)$/u;
const FILE = /^f (?<mode>644|755) (?<size>0|[1-9]\d{0,14}) (?<hex>[0-9a-f]{64}) (?<path>.+)$/u;
const LINK = /^l (?<length>[1-9]\d{0,6}) (?<rest>.+)$/u;

/**
 * The one text of a manifest: a line per entry, each ended by a line feed.
 *
 * - `d 755 PATH`
 * - `f 644 SIZE HEX PATH` or `f 755 SIZE HEX PATH`: bytes, and the hex digits of the SHA-256
 * - `l LENGTH PATH TARGET`: LENGTH is that of PATH, in bytes of UTF-8, because both may hold spaces
 *
 * Neither paths nor targets can hold a line feed.
 */
export function manifestText(manifest: Manifest): string {
  return manifest.map((entry) => `${entryText(entry)}\n`).join("");
}

/** Digest of the manifest's text, and so of all that the artifact holds. */
export function manifestDigest(manifest: Manifest): Digest {
  const sum = createHash("sha256");
  for (let at = 0; at < manifest.length; at += BATCH) {
    sum.update(manifestText(manifest.slice(at, at + BATCH)));
  }
  return `sha256:${sum.digest("hex")}`;
}

/** Entries whose text is held at once. */
const BATCH = 1000;

/**
 * Reads the text of a manifest that may come from anywhere: the inverse of {@link manifestText}.
 *
 * What it returns can be unpacked without leaving the folder it is unpacked to: paths are clean, in
 * order, unique, and lie only below directories.
 *
 * @throws {LockstepError} `MANIFEST_INVALID` for any text that `manifestText` does not write.
 */
export function parseManifest(text: string): Manifest {
  const lines = text.split("\n");
  if (lines.pop() !== "") throw manifestInvalid(lines.length + 1, "is cut off");

  const directories = new Set([""]);
  let last = "";
  return lines.map((line, index) => {
    const entry = parseEntry(line);
    const problem = entry === undefined ? "cannot be read" : misplaced(entry, last, directories);
    if (entry === undefined || problem !== undefined) {
      throw manifestInvalid(index + 1, problem ?? "cannot be read");
    }
    if (entry.type === "directory") directories.add(entry.path);
    last = entry.path;
    return entry;
  });
}

/** The same entries in the order of a manifest. */
export function sorted(entries: readonly Entry[]): Manifest {
  return entries.toSorted((a, b) => byUtf8(a.path, b.path));
}

/** Where an entry of a path is in a manifest; -1 when it is not. */
export function indexIn(manifest: Manifest, path: string): number {
  let [from, to] = [0, manifest.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    const order = byUtf8(manifest[middle]?.path ?? "", path);
    if (order === 0) return middle;
    if (order < 0) from = middle + 1;
    else to = middle;
  }
  return -1;
}

/** Orders texts as their bytes are ordered, without making any. */
export function byUtf8(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at += 1) {
    const a = left.charCodeAt(at);
    const b = right.charCodeAt(at);
    if (a !== b) return rank(a) - rank(b);
  }
  return left.length - right.length;
}

/** UTF-16 has halves of characters beyond U+FFFF before U+E000, UTF-8 has the characters after U+FFFF. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/** Path of the directory that holds a path; empty for the root. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf("/"), 0));
}

function entryText(entry: Entry): string {
  const { type, path } = entry;
  if (type === "link") return `l ${Buffer.byteLength(path)} ${path} ${entry.target}`;
  const mode = entry.mode.toString(8);
  if (type === "directory") return `d ${mode} ${path}`;
  return `f ${mode} ${entry.size} ${entry.digest.slice("sha256:".length)} ${path}`;
}

function parseEntry(line: string): Entry | undefined {
  const file = FILE.exec(line)?.groups;
  if (file !== undefined) {
    const { mode = "", size = "", hex = "", path = "" } = file;
    return {
      type: "file",
      path,
      mode: Number.parseInt(mode, 8),
      size: Number(size),
      digest: `sha256:${hex}`,
    };
  }
  const path = DIRECTORY.exec(line)?.groups?.["path"];
  if (path !== undefined) return { type: "directory", path, mode: 0o755 };
  return parseLink(line);
}

function parseLink(line: string): Entry | undefined {
  const { length = "", rest = "" } = LINK.exec(line)?.groups ?? {};
  const bytes = Buffer.from(rest);
  const path = bytes.subarray(0, Number(length)).toString();
  const target = rest.slice(path.length + 1);
  if (length === "" || rest[path.length] !== " " || !isCleanTarget(target)) return undefined;
  return Buffer.byteLength(path) === Number(length) ? { type: "link", path, target } : undefined;
}

function misplaced(
  { path }: Entry,
  last: string,
  directories: ReadonlySet<string>,
): string | undefined {
  if (!isCleanPath(path)) return "has a path that is not allowed";
  if (byUtf8(last, path) >= 0) return "is out of order";
  if (!directories.has(parentOf(path))) return "lies below something that is no directory";
  return undefined;
}
