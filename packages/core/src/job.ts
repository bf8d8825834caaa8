import type { Live, Store } from "@lockstep/plugin";
import type { Config, Environment } from "./config.ts";
import { environmentUnknown, foreignLineage, together, targetUnknown } from "./errors.ts";
import { createEvents, type Sink } from "./events.ts";
import { reachable } from "./journal.ts";
import { liveOf, observe } from "./observe.ts";
import { createRedactor } from "./redact.ts";
import { openSession, type Session } from "./session.ts";
import type { Surroundings } from "./surroundings.ts";

/** What every command of the runner is given. */
export interface Job {
  readonly config: Config;
  readonly environment: string;
  /** Names of the targets that take part; default all. The others keep what they have. */
  readonly targets?: readonly string[];
  readonly surroundings: Surroundings;
  /** Where events go, already without secrets. */
  readonly sinks: readonly Sink[];
}

/** The units of every target, as they were read. */
export type LiveByTarget = Readonly<Record<string, readonly Live[]>>;

/**
 * Finds the environment a job names.
 *
 * @throws {LockstepError} `ENVIRONMENT_UNKNOWN` with the nearest name
 */
export function environmentOf({ config, environment }: Job): Environment {
  const found = config.environments[environment];
  if (found === undefined) throw environmentUnknown(environment, Object.keys(config.environments));
  return found;
}

/**
 * Connects the targets of a job.
 *
 * @throws {LockstepError} `TARGET_UNKNOWN` with the nearest name
 */
export function sessionOf(job: Job, only?: readonly string[]): Promise<Session> {
  const environment = environmentOf(job);
  const names = Object.keys(environment.targets);
  const selected = only ?? job.targets ?? names;
  for (const name of selected) if (!names.includes(name)) throw targetUnknown(name, names);
  const redactor = createRedactor();
  const { surroundings } = job;
  const events = createEvents(job.sinks, redactor, () => surroundings.now());
  return openSession({ environment, selected, surroundings, events, redactor });
}

/**
 * Reads what every unit serves, before anything is changed.
 *
 * @throws {LockstepError} the failure of a unit that cannot be read; an AggregateError of several
 */
export async function readLive(session: Session, signal?: AbortSignal): Promise<LiveByTarget> {
  const seen = await observe(session, {}, signal);
  const errors = Object.values(seen).flatMap((observed) => observed.errors);
  if (errors.length > 0) throw together(errors, `${errors.length} units could not be read.`);
  return liveOf(seen);
}

/**
 * The name of the store that counts the epochs of its environments; made once, at random.
 *
 * @throws {LockstepError} `STORE_UNREACHABLE`
 */
export async function lineageOf(store: Store, { hex }: Surroundings): Promise<string> {
  return reachable(store, async () => {
    const fresh = Buffer.from(`${hex(32)}\n`);
    await store.create("lineage", fresh); // "exists" after the first run of this store
    return Buffer.from((await store.get("lineage"))?.body ?? fresh)
      .toString("utf8")
      .trim();
  });
}

/**
 * Refuses targets that another store's runs have stamped, unless that was asked for.
 *
 * @throws {LockstepError} `FOREIGN_LINEAGE`
 */
export function refuseForeign(live: LiveByTarget, lineage: string, adopt: boolean): void {
  if (adopt) return;
  for (const [target, units] of Object.entries(live)) {
    const foreign = units.find(({ stamp }) => stamp !== undefined && stamp.lineage !== lineage);
    if (foreign !== undefined) throw foreignLineage(target, foreign.unit);
  }
}

/** The highest epoch any unit carries; 0 when none does. */
export function highestEpoch(live: LiveByTarget): number {
  return Math.max(
    0,
    ...Object.values(live).flatMap((units) => units.map(({ stamp }) => stamp?.epoch ?? 0)),
  );
}

/** True when some target cannot refuse a run that has been overtaken: then only patience protects it. */
export function isUnfenced({ targets }: Session): boolean {
  return [...targets.values()].some(({ target }) => target.traits.fencing === "none");
}
