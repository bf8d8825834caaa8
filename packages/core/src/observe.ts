import { leavesOf } from "@lockstep/events";
import { isLockstepError, type Live } from "@lockstep/plugin";
import { call, type Session } from "./session.ts";

/** What one target answered when asked what it serves. */
export interface Observed {
  readonly live: readonly Live[];
  /** One per unit, or per target, that could not be read. */
  readonly errors: readonly unknown[];
}

/** Milliseconds for one look at a target. */
const LOOK_TIMEOUT_MS = 60_000;

/** Asks every target what it serves; what cannot be read is reported, and never hides the rest. */
export async function observe(
  session: Session,
  known: Readonly<Record<string, readonly Live[]>> = {},
  signal?: AbortSignal,
): Promise<Readonly<Record<string, Observed>>> {
  const entries = await Promise.all(
    [...session.targets.keys()].map(async (name): Promise<[string, Observed]> => [
      name,
      await observeTarget(session, { name, signal, known: known[name] ?? [] }),
    ]),
  );
  return Object.fromEntries(entries);
}

interface Glance {
  readonly name: string;
  readonly known: readonly Live[];
  readonly signal: AbortSignal | undefined;
}

async function observeTarget(session: Session, glance: Glance): Promise<Observed> {
  try {
    return { live: await look(session, glance), errors: [] };
  } catch (error) {
    const errors = leavesOf(error);
    const failed = new Set(errors.map(unitOf));
    const others = glance.known
      .map(({ unit }) => unit)
      .filter((unit) => unit !== undefined && !failed.has(unit));
    const live = await Promise.all(
      others.map((unit) => look(session, glance, unit).catch(() => [])),
    );
    return { live: live.flat(), errors };
  }
}

function look(session: Session, { name, signal }: Glance, unit?: string): Promise<readonly Live[]> {
  const scope = { target: name, unit, signal, timeoutMs: LOOK_TIMEOUT_MS };
  return call(
    session,
    scope,
    async (ctx) => (await session.targets.get(name)?.target.live(ctx)) ?? [],
  );
}

/** The unit an error is about, where it says so. */
export function unitOf(error: unknown): string | undefined {
  return isLockstepError(error) ? error.unit : undefined;
}

/** The live part of what was observed, by target. */
export function liveOf(seen: Readonly<Record<string, Observed>>): Record<string, readonly Live[]> {
  return Object.fromEntries(Object.entries(seen).map(([name, { live }]) => [name, live]));
}
