import type { Result } from "@lockstep/events";
import type { Json, Live, Release, Store } from "@lockstep/plugin";
import { type JournalRecord, readEnds, reachable } from "./journal.ts";
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
  readonly endedAt?: string;
  /** `open` while the run is not over: it runs, was killed, or waits for `recover`. */
  readonly result: Result | "open";
  /** What every unit served when the run ended. */
  readonly live: Readonly<Record<string, readonly Live[]>>;
  readonly outputs: Readonly<Record<string, Readonly<Record<string, Json>>>>;
  readonly message?: string;
  readonly skewMs?: number;
}

/** What the first record of a run holds. */
export interface BeginBody {
  readonly kind: "deploy" | "rollback";
  readonly environment: string;
  readonly release: Release;
  readonly who: Actor;
  readonly targets: readonly string[];
  readonly message?: string;
  /** Digest of the plan, kept beside the journal. */
  readonly plan: string;
  /** What every unit served before staging began. */
  readonly live: Readonly<Record<string, readonly Live[]>>;
}

interface EndBody {
  readonly result: Result;
  readonly live: HistoryEntry["live"];
  readonly outputs: HistoryEntry["outputs"];
  readonly skewMs?: number;
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

async function* newestFirst(store: Store, environment: string): AsyncIterable<HistoryEntry> {
  const runs = await lastRecords(store, environment);
  for (const [run, last] of [...runs].toSorted(([left], [right]) => (left < right ? 1 : -1))) {
    const ends = await readEnds(store, run, last);
    if (ends?.[0].type === "run.begin") yield entryOf(...ends);
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

function entryOf(begin: JournalRecord, last: JournalRecord): HistoryEntry {
  const { kind, environment, release, who, targets, message } = begin.body as unknown as BeginBody;
  const ended = last.type === "run.end" ? (last.body as unknown as EndBody) : undefined;
  return {
    run: begin.run,
    environment,
    kind,
    release,
    who,
    targets,
    begunAt: begin.at,
    result: ended?.result ?? "open",
    live: ended?.live ?? {},
    outputs: ended?.outputs ?? {},
    ...(ended === undefined ? {} : { endedAt: last.at }),
    ...(message === undefined ? {} : { message }),
    ...(ended?.skewMs === undefined ? {} : { skewMs: ended.skewMs }),
  };
}
