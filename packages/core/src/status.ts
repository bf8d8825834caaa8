import { type Diagnostic, toDiagnostic } from "@lockstep/events";
import type { Live } from "@lockstep/plugin";
import { type HistoryEntry, lastCommit, readLease, type Holder } from "@lockstep/state";
import { environmentOf, type Job, sessionOf } from "./job.ts";
import { type Difference, differencesOf, liveOf, observe } from "./observe.ts";

/** What an environment is like now. */
export interface Status {
  readonly environment: string;
  /** The release of the last run that was committed; absent without history. */
  readonly release?: string;
  readonly lastCommit?: HistoryEntry;
  /** The release each target got last; they differ after a run over fewer targets. */
  readonly releases: Readonly<Record<string, string>>;
  /** A run that is going on, or that must be recovered. */
  readonly openRun?: Holder & { readonly released: boolean };
  /** What every unit serves, read from the targets. */
  readonly live: Readonly<Record<string, readonly Live[]>>;
  /** Units that serve something else than the last commit left there. */
  readonly drift: readonly Difference[];
  /** Units that could not be read. */
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads what every target serves and compares it with the history. Changes nothing, locks nothing. */
export async function readStatus(job: Job): Promise<Status> {
  const { store, name } = environmentOf(job);
  await using session = await sessionOf(job);
  const [lease, newest] = await Promise.all([readLease(store, name), lastCommit(store, name)]);
  const commits = await commitsOf(job, newest);
  const wanted = mapValues(commits, ({ live }, target) => live[target] ?? []);
  const seen = await observe(session, wanted);
  const drift = differencesOf(wanted, seen).filter(({ found }) => found !== undefined);
  const { holder, released = false, open = false } = lease?.body ?? {};
  return {
    environment: name,
    ...(newest === undefined ? {} : { release: newest.release.id, lastCommit: newest }),
    releases: mapValues(commits, ({ release }) => release.id),
    ...(open && holder !== undefined ? { openRun: { ...holder, released } } : {}),
    live: liveOf(seen),
    drift,
    diagnostics: Object.values(seen).flatMap(({ errors }) =>
      errors.map((error) => toDiagnostic(error)),
    ),
  };
}

/** The newest commit that each target took part in. */
async function commitsOf(
  job: Job,
  newest: HistoryEntry | undefined,
): Promise<Readonly<Record<string, HistoryEntry>>> {
  const { store, name, targets } = environmentOf(job);
  const commits: Record<string, HistoryEntry> = {};
  for (const target of job.targets ?? Object.keys(targets)) {
    const took = (entry: HistoryEntry): boolean => entry.targets.includes(target);
    const commit =
      newest !== undefined && took(newest) ? newest : await lastCommit(store, name, took);
    if (commit !== undefined) commits[target] = commit;
  }
  return commits;
}

function mapValues<In, Out>(
  record: Readonly<Record<string, In>>,
  map: (value: In, key: string) => Out,
): Record<string, Out> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]));
}
