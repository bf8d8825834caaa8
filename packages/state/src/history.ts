import type { Result } from "@lockstep/events";
import { isLockstepError, type Json, type Live, type Release, type Store } from "@lockstep/plugin";
import { getBlob } from "./blobs.ts";
import { openJournal, readEnds } from "./journal.ts";
import { reachable } from "./reachable.ts";
import { type JournalRecord, type RecordOf, recordsOf } from "./records.ts";
import type { Actor } from "./surroundings.ts";

/** One run, as its journal tells it. */
export interface HistoryEntry {
  readonly run: string;
  readonly environment: string;
  readonly kind: "deploy" | "rollback";
  readonly release: Release;
  readonly who: Actor;
  readonly targets: readonly string[];
  /** RFC 3339, UTC, by the clock of the machine that ran it. */
  readonly begunAt: string;
  readonly endedAt?: string | undefined;
  /** `open` while the run is not over: it runs, was killed, or waits for `recover`. */
  readonly result: Result | "open";
  /** What every unit served when the run ended. */
  readonly live: Readonly<Record<string, readonly Live[]>>;
  readonly outputs: Readonly<Record<string, Readonly<Record<string, Json>>>>;
  readonly message?: string | undefined;
  readonly skewMs?: number | undefined;
}

/** Runs of an environment, the newest first, at most `limit`. */
export async function readHistory(
  store: Store,
  environment: string,
  limit: number,
): Promise<HistoryEntry[]> {
  const entries: HistoryEntry[] = [];
  for await (const entry of newestFirst(store, environment)) {
    if (entries.length >= limit) break;
    entries.push(entry);
  }
  return entries;
}

/** A run whose journal cannot be read. */
export interface Damage {
  readonly run: string;
  readonly message: string;
}

/**
 * Reads every record and every blob of every run of an environment.
 *
 * @throws {LockstepError} `STORE_UNREACHABLE`
 */
export async function verifyHistory(
  store: Store,
  environment: string,
): Promise<{ readonly runs: number; readonly damage: readonly Damage[] }> {
  const runs = [...(await lastRecords(store, environment)).keys()].toSorted();
  const damage: Damage[] = [];
  for (const run of runs) {
    const message = await readWhole(store, run);
    if (message !== undefined) damage.push({ run, message });
  }
  return { runs: runs.length, damage };
}

/** What is wrong with a run; undefined when all of it can be read. */
async function readWhole(store: Store, run: string): Promise<string | undefined> {
  try {
    const { records } = await openJournal(store, run);
    const [begin] = recordsOf(records, "run.begin");
    if (begin !== undefined) await getBlob(store, begin.body.plan);
    return undefined;
  } catch (error) {
    if (isLockstepError(error) && error.code === "STORE_UNREACHABLE") throw error;
    return error instanceof Error ? error.message : String(error);
  }
}

/** The newest run that ended with its release live and that `matches`. */
export async function lastCommit(
  store: Store,
  environment: string,
  matches: (entry: HistoryEntry) => boolean = () => true,
): Promise<HistoryEntry | undefined> {
  for await (const entry of newestFirst(store, environment)) {
    if (entry.result === "done" && matches(entry)) return entry;
  }
  return undefined;
}

/** The commit before the one that first made a release live: a rollback never goes forward again. */
export async function commitBefore(
  store: Store,
  environment: string,
  current: HistoryEntry | undefined,
): Promise<HistoryEntry | undefined> {
  const id = current?.release.id;
  const isOrigin = ({ kind, release }: HistoryEntry): boolean =>
    kind === "deploy" && release.id === id;
  const origin = await lastCommit(store, environment, isOrigin);
  const before = (origin ?? current)?.run ?? "";
  return lastCommit(store, environment, ({ run, release }) => run < before && release.id !== id);
}

/** The newest commit that each target took part in. */
export async function lastCommits(
  store: Store,
  environment: string,
  targets: readonly string[],
): Promise<Readonly<Record<string, HistoryEntry>>> {
  const commits: Record<string, HistoryEntry> = {};
  for await (const entry of newestFirst(store, environment)) {
    const missing = targets.filter((target) => commits[target] === undefined);
    if (missing.length === 0) break;
    if (entry.result !== "done") continue;
    for (const target of missing) if (entry.targets.includes(target)) commits[target] = entry;
  }
  return commits;
}

async function* newestFirst(store: Store, environment: string): AsyncIterable<HistoryEntry> {
  const runs = await lastRecords(store, environment);
  for (const [run, last] of [...runs].toSorted(([left], [right]) => (left < right ? 1 : -1))) {
    const [first, end] = (await readEnds(store, run, last)) ?? [];
    if (first?.type === "run.begin" && end !== undefined) yield entryOf(first, end);
  }
}

/** Every run of an environment with the number of its last record. */
async function lastRecords(
  store: Store,
  environment: string,
): Promise<ReadonlyMap<string, number>> {
  const name = new RegExp(`^runs/(${environment}-\\d{6,}-[0-9a-f]{8})/(\\d{8})$`);
  const last = new Map<string, number>();
  await reachable(store, async () => {
    for await (const key of store.list(`runs/${environment}-`)) {
      const [, run, seq] = name.exec(key) ?? [];
      if (run !== undefined) last.set(run, Math.max(last.get(run) ?? 0, Number(seq)));
    }
  });
  return last;
}

function entryOf(begin: RecordOf<"run.begin">, last: JournalRecord): HistoryEntry {
  const { kind, environment, release, who, targets, message } = begin.body;
  const ended = last.type === "run.end" ? last : undefined;
  return {
    run: begin.run,
    environment,
    kind,
    release,
    who,
    targets,
    message,
    begunAt: begin.at,
    endedAt: ended?.at,
    result: ended?.body.result ?? "open",
    live: ended?.body.live ?? {},
    outputs: ended?.body.outputs ?? {},
    skewMs: ended?.body.skewMs,
  };
}
