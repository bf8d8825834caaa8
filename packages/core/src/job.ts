import { type Config, environmentOf, targetUnknown } from "@lockstep/config";
import { together } from "@lockstep/events";
import { createEvents, type Sink, createRedactor } from "@lockstep/events";
import { type LiveByTarget, type Surroundings } from "@lockstep/state";
import { liveOf, observe } from "./observe.ts";
import { openSession, type Session } from "./session.ts";

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

/** True when some target cannot refuse a run that has been overtaken: then only patience protects it. */
export function isUnfenced({ targets }: Session): boolean {
  return [...targets.values()].some(({ target }) => target.traits.fencing === "none");
}
