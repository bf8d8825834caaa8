import type { Change } from "@lockstep/plugin";
import type { Entry, Manifest } from "./artifact.ts";
import { parentOf } from "./manifest.ts";

/** What differs between two manifests. */
export interface Comparison {
  /** Sorted by path. */
  readonly changes: Change[];
  /** Number of files, links and empty directories that are the same in both. */
  readonly unchanged: number;
}

/**
 * Tells what a release changes, for people.
 *
 * A directory counts only where it is empty; others come and go with what they hold. It is empty exactly
 * when the manifests are equal.
 */
export function compareManifests(before: Manifest, after: Manifest): Comparison {
  const old = new Map(before.map((entry) => [entry.path, entry]));
  const now = new Map(after.map((entry) => [entry.path, entry]));

  const changes = [
    ...leaves(after).flatMap((entry) => arrived(old.get(entry.path), entry)),
    ...leaves(before).flatMap((entry) => left(entry, now.get(entry.path))),
  ];
  const paths = new Map(changes.map((change) => [change.what, Buffer.from(change.what)]));
  const key = ({ what }: Change): Buffer => paths.get(what) ?? Buffer.alloc(0);

  return {
    changes: changes.toSorted((a, b) => Buffer.compare(key(a), key(b))),
    unchanged: leaves(after).filter((entry) => arrived(old.get(entry.path), entry).length === 0)
      .length,
  };
}

function leaves(manifest: Manifest): readonly Entry[] {
  const parents = new Set(manifest.map(({ path }) => parentOf(path)));
  return manifest.filter(({ path, type }) => type !== "directory" || !parents.has(path));
}

function arrived(before: Entry | undefined, after: Entry): readonly Change[] {
  const bytes = after.type === "file" ? { bytes: after.size } : {};
  // A directory that held files is replaced by this: the files are listed as removed.
  if (before === undefined || (before.type === "directory" && after.type !== "directory")) {
    return [{ action: "add", what: after.path, reason: "absent", ...bytes }];
  }
  const [was, is] = [contentOf(before), contentOf(after)];
  if (was !== is) {
    return [
      { action: "change", what: after.path, reason: "content", ...bytes, before: was, after: is },
    ];
  }
  if (before.type !== "file" || after.type !== "file" || before.mode === after.mode) return [];
  const [from, to] = [before.mode.toString(8), after.mode.toString(8)];
  return [{ action: "change", what: after.path, reason: "mode", before: from, after: to }];
}

function left(before: Entry, after: Entry | undefined): readonly Change[] {
  if (after !== undefined && !(after.type === "directory" && before.type !== "directory"))
    return [];
  return [{ action: "remove", what: before.path, reason: "stale" }];
}

function contentOf(entry: Entry): string {
  if (entry.type === "file") return entry.digest;
  return entry.type === "link" ? `link to ${entry.target}` : "directory";
}
