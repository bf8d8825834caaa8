import type { Change } from "@lockstep/plugin";
import type { Entry, Manifest } from "./artifact.ts";
import { byUtf8, parentOf } from "./manifest.ts";

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
  const [wasFull, isFull] = [parentsIn(before), parentsIn(after)];
  const changes: Change[] = [];
  let unchanged = 0;
  for (const { old, now } of pairs(before, after)) {
    // a directory that is there and full is told of by what it holds
    const isKept = now !== undefined && (now.type !== "directory" || !isFull.has(now.path));
    const wasKept = old !== undefined && (old.type !== "directory" || !wasFull.has(old.path));
    if (isKept) {
      const change = writtenChange(old, now);
      if (change === undefined) unchanged += 1;
      else changes.push(change);
    } else if (wasKept && (old.type !== "directory" || now === undefined)) {
      changes.push({ action: "remove", what: old.path, reason: "stale" });
    }
  }
  return { changes, unchanged };
}

/** Goes through two manifests at once, in the order of their paths. */
function* pairs(
  before: Manifest,
  after: Manifest,
): Generator<{ readonly old?: Entry | undefined; readonly now?: Entry | undefined }> {
  let [left, right] = [0, 0];
  while (left < before.length || right < after.length) {
    const [old, now] = [before[left], after[right]];
    const order = old === undefined ? 1 : now === undefined ? -1 : byUtf8(old.path, now.path);
    if (order <= 0) left += 1;
    if (order >= 0) right += 1;
    yield { old: order <= 0 ? old : undefined, now: order >= 0 ? now : undefined };
  }
}

function parentsIn(manifest: Manifest): ReadonlySet<string> {
  return new Set(manifest.map(({ path }) => parentOf(path)));
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
