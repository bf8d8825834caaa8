import { environmentOf } from "@lockstep/config";
import { type Diagnostic, toDiagnostic } from "@lockstep/events";
import type { Live } from "@lockstep/plugin";
import {
  type Difference,
  differencesOf,
  type HistoryEntry,
  type Holder,
  lastCommit,
  lastCommits,
  readLease,
} from "@lockstep/state";
import { type Job, sessionOf } from "./job.ts";
import { liveOf, observe } from "./observe.ts";

/** What an environment is like now. */
export interface Status {
  readonly environment: string;
  /** The release of the last run that was committed; absent without history. */
  readonly release?: string | undefined;
  readonly lastCommit?: HistoryEntry | undefined;
  /** The release each target got last; they differ after a run over fewer targets. */
  readonly releases: Readonly<Record<string, string>>;
  /** A run that is going on, or that must be recovered. */
  readonly openRun?: (Holder & { readonly released: boolean }) | undefined;
  /** What every unit serves, read from the targets. */
  readonly live: Readonly<Record<string, readonly Live[]>>;
  /** Units that serve something else than the last commit left there. */
  readonly drift: readonly Difference[];
  /** Units that could not be read. */
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads what every target serves and compares it with the history. Changes nothing, locks nothing. */
export async function readStatus(job: Job): Promise<Status> {
  const { store, name, targets } = environmentOf(job);
  await using session = await sessionOf(job);
  const selected = job.targets ?? Object.keys(targets);
  const [lease, newest, commits] = await Promise.all([
    readLease(store, name),
    lastCommit(store, name),
    lastCommits(store, name, selected),
  ]);
  const wanted = mapValues(commits, ({ live }, target) => live[target] ?? []);
  const seen = await observe(session, wanted);
  const drift = differencesOf(wanted, seen).filter(({ found }) => found !== undefined);
  const errors = Object.values(seen).flatMap((observed) => observed.errors);
  const { holder, released = false, open = false } = lease?.body ?? {};
  return {
    environment: name,
    release: newest?.release.id,
    lastCommit: newest,
    releases: mapValues(commits, ({ release }) => release.id),
    openRun: open && holder !== undefined ? { ...holder, released } : undefined,
    live: liveOf(seen),
    drift,
    diagnostics: errors.map((error) => toDiagnostic(error)),
  };
}

function mapValues<In, Out>(
  record: Readonly<Record<string, In>>,
  map: (value: In, key: string) => Out,
): Record<string, Out> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]));
}
