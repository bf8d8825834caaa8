import type { HistoryEntry } from "./history.ts";

/** The four measures of how an environment is delivered to; times in milliseconds. */
export interface Stats {
  /** Deploys that were tried and are over. */
  readonly deploys: number;
  /** Committed deploys per week, from the first run that was looked at until now. */
  readonly perWeek: number;
  /** Median time from commit to live; absent when no release knows the time of its commit. */
  readonly leadTimeMs?: number | undefined;
  /** Part of the deploys that failed or were rolled back, at once or later, from 0 to 1. */
  readonly failureRate: number;
  /** Median time from the beginning of a failed deploy until a run succeeded; absent without failure. */
  readonly timeToRestoreMs?: number | undefined;
}

const WEEK_MS = 7 * 24 * 3_600_000;

/** An order this large is a time in seconds, not the number of a CI run. */
const FIRST_COMMIT_TIME = 1_000_000_000;

/**
 * Counts over runs, the newest first.
 *
 * @see DORA, "Software delivery performance metrics": frequency, lead time, failure rate, time to restore
 */
export function statsOf(entries: readonly HistoryEntry[], now: number): Stats {
  const runs = entries.filter(({ result }) => result !== "open").toReversed();
  const deploys = runs.filter(({ kind, result }) => kind === "deploy" && result !== "unchanged");
  const committed = deploys.filter(({ result }) => result === "done");
  const failed = runs.filter((run, index) => isFailed(run, runs.slice(index + 1)));
  const begun = Date.parse(runs[0]?.begunAt ?? "");
  const weeks = Number.isNaN(begun) ? 1 : Math.max(1, (now - begun) / WEEK_MS);
  return {
    deploys: deploys.length,
    perWeek: committed.length / weeks,
    leadTimeMs: median(committed.flatMap(leadTimeOf)),
    failureRate: deploys.length === 0 ? 0 : failed.length / deploys.length,
    timeToRestoreMs: median(failed.flatMap((run) => restoreTimeOf(run, runs))),
  };
}

/** A deploy that did not become live, or that the next run took back. */
function isFailed({ kind, result }: HistoryEntry, later: readonly HistoryEntry[]): boolean {
  if (kind !== "deploy" || result === "unchanged") return false;
  if (result !== "done") return result !== "interrupted";
  const next = later.find((run) => run.result === "done");
  return next?.kind === "rollback";
}

function leadTimeOf({ release, endedAt }: HistoryEntry): number[] {
  const { order = 0 } = release;
  if (order < FIRST_COMMIT_TIME || endedAt === undefined) return [];
  return [Math.max(0, Date.parse(endedAt) - order * 1000)];
}

/** A failed deploy that was put back is over when it ends; one that was committed, when it was taken back. */
function restoreTimeOf(failed: HistoryEntry, runs: readonly HistoryEntry[]): number[] {
  const end =
    failed.result === "done"
      ? runs.slice(runs.indexOf(failed) + 1).find(({ result }) => result === "done")?.endedAt
      : failed.endedAt;
  return end === undefined ? [] : [Date.parse(end) - Date.parse(failed.begunAt)];
}

function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length / 2;
  if (sorted.length === 0) return undefined;
  return sorted.length % 2 === 1
    ? sorted[Math.floor(middle)]
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}
