import type { Live, LockstepError } from "@lockstep/plugin";
import type { Diagnostic } from "./events.ts";
import { toDiagnostic } from "./failures.ts";
import { type HistoryEntry, lastCommit } from "./history.ts";
import { environmentOf, type Job, sessionOf } from "./job.ts";
import { readLease } from "./lease.ts";
import { type Difference, differencesOf, observe } from "./observe.ts";
import type { Holder } from "./surroundings.ts";

/** What an environment is like now. */
export interface Status {
  readonly environment: string;
  /** The release of the last run that was committed; absent without history. */
  readonly release?: string;
  readonly lastCommit?: HistoryEntry;
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
  const [lease, commit] = await Promise.all([readLease(store, name), lastCommit(store, name)]);
  const wanted = await wantedBy(job, commit);
  const seen = await observe(session, wanted);
  const drift = differencesOf(wanted, seen).filter(({ found }) => found !== undefined);
  return {
    environment: name,
    ...(commit === undefined ? {} : { release: commit.release.id, lastCommit: commit }),
    ...(lease?.body.open === true
      ? { openRun: { ...lease.body.holder, released: lease.body.released } }
      : {}),
    live: Object.fromEntries(Object.entries(seen).map(([target, { live }]) => [target, live])),
    drift,
    diagnostics: Object.values(seen).flatMap(({ errors }) =>
      errors.map((error) => toDiagnostic(error as LockstepError)),
    ),
  };
}

/** What each target should serve: what the newest commit that it took part in left there. */
async function wantedBy(job: Job, newest: HistoryEntry | undefined): Promise<HistoryEntry["live"]> {
  const { store, name, targets } = environmentOf(job);
  const wanted: Record<string, readonly Live[]> = {};
  for (const target of job.targets ?? Object.keys(targets)) {
    const commit =
      newest?.targets.includes(target) === true
        ? newest
        : await lastCommit(store, name, (entry) => entry.targets.includes(target));
    const units = commit?.live[target];
    if (units !== undefined) wanted[target] = units;
  }
  return wanted;
}
