import { type Config, environmentOf, targetUnknown } from "@lockstep/config";
import { createEvents, createRedactor, type Sink, together, toDiagnostic } from "@lockstep/events";
import { type LiveByTarget, type Surroundings } from "@lockstep/state";
import { liveOf, observe } from "./observe.ts";
import { call, type CallContext, openSession, type Session } from "./session.ts";

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

/**
 * Lets every target look for what would hinder a run, or whether what is live is what was deployed.
 *
 * What they find comes as events of the type `finding`; a target that cannot look, as a diagnostic.
 */
export async function examine(job: Job, how: "doctor" | "audit"): Promise<void> {
  await using session = await sessionOf(job);
  const { events, targets } = session;
  const examined = [...targets].map(async ([target, connected]) => {
    const look = async (ctx: CallContext): Promise<void> => {
      for await (const finding of connected.target[how]?.(ctx) ?? [])
        events.emit({ type: "finding", target, ...finding });
    };
    await call(session, { target }, look).catch((error: unknown) =>
      events.emit({ type: "diagnostic", ...toDiagnostic(error) }),
    );
  });
  await Promise.all(examined);
}

/** True when some target cannot refuse a run that has been overtaken: then only patience protects it. */
export function isUnfenced({ targets }: Session): boolean {
  return [...targets.values()].some(({ target }) => target.traits.fencing === "none");
}
