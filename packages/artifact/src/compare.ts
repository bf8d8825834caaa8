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
 * A directory counts only where it is empty; others come and go with what they hold. There are no
 * changes exactly when the manifests are equal.
 */
export function compareManifests(before: Manifest, after: Manifest): Comparison {
  const old = new Map(before.map((entry) => [entry.path, entry]));
  const now = new Map(after.map((entry) => [entry.path, entry]));
  const kept = leaves(after);
  const keptPaths = new Set(kept.map(({ path }) => path));

  const written = kept.flatMap((entry) => writtenChange(old.get(entry.path), entry) ?? []);
  const removed = leaves(before)
    .filter(({ path }) => !keptPaths.has(path))
    .filter(({ path, type }) => type !== "directory" || !now.has(path))
    .map(({ path }): Change => ({ action: "remove", what: path, reason: "stale" }));

  return {
    changes: inOrder([...written, ...removed]),
    unchanged: kept.length - written.length,
  };
}

function leaves(manifest: Manifest): readonly Entry[] {
  const parents = new Set(manifest.map(({ path }) => parentOf(path)));
  return manifest.filter(({ path, type }) => type !== "directory" || !parents.has(path));
}

function writtenChange(before: Entry | undefined, after: Entry): Change | undefined {
  const bytes = after.type === "file" ? { bytes: after.size } : {};
  if (before === undefined) return { action: "add", what: after.path, reason: "absent", ...bytes };

  const [was, is] = [contentOf(before), contentOf(after)];
  const changed = { action: "change", what: after.path, ...bytes } as const;
  if (was !== is) return { ...changed, reason: "content", before: was, after: is };
  const [from, to] = [modeOf(before), modeOf(after)];
  return from === to ? undefined : { ...changed, reason: "mode", before: from, after: to };
}

function contentOf(entry: Entry): string {
  if (entry.type === "file") return entry.digest;
  return entry.type === "link" ? `link to ${entry.target}` : "directory";
}

function modeOf(entry: Entry): string {
  return entry.type === "link" ? "" : entry.mode.toString(8);
}

function inOrder(changes: readonly Change[]): Change[] {
  return changes
    .map((change) => ({ change, key: Buffer.from(change.what) }))
    .toSorted((a, b) => Buffer.compare(a.key, b.key))
    .map(({ change }) => change);
}
