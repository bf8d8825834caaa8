import {
  type Diagnostic,
  type StepResult,
  isFenced,
  leavesOf,
  toDiagnostic,
} from "@lockstep/events";
import type { Reverted } from "@lockstep/plugin";
import pLimit from "p-limit";
import { aboutStep, askUntil, stepOf, told } from "./attempt.ts";
import { differencesOf, observe, type Observed } from "./observe.ts";
import { callStep, hasActivated, type Run, type Started } from "./run.ts";
import { type Batch, batchesOf, fullId, type Scheduled } from "./schedule.ts";

/** Tries of one revert before a human is asked. */
const TRIES = 3;

/** Units put back at the same time. */
const PARALLEL = 8;

/** What putting everything back led to, as it was seen afterwards. */
export interface Restored {
  /** True when every target serves what it served before, by its own account. */
  readonly clean: boolean;
  readonly problems: readonly Diagnostic[];
  readonly seen: Readonly<Record<string, Observed>>;
}

/** How a revert is written down. During an outage of the store nothing can be. */
export interface RevertOptions {
  readonly signal: AbortSignal;
  readonly records: boolean;
}

/**
 * Undoes every started step of every target, newest first, going on past failures; then looks.
 *
 * Safe to run again: every revert finds out for itself whether there is anything to put back.
 *
 * @throws {LockstepError} only when this run was overtaken: then it must not touch anything any more
 */
export async function revertAll(run: Run, options: RevertOptions): Promise<Restored> {
  const begun = run.session.surroundings.monotonic();
  const { events } = run.session;
  events.emit({ type: "phase.started", phase: "revert", steps: run.started.length });
  const problems: Diagnostic[] = [];
  for (const batch of [
    ...batchesOf(run.plan, "stage"),
    ...batchesOf(run.plan, "activate"),
  ].toReversed()) {
    problems.push(...(await revertBatch(run, batch, options)));
  }
  const ms = Math.round(run.session.surroundings.monotonic() - begun);
  events.emit({ type: "phase.finished", phase: "revert", ms });

  const seen = await observe(run.session, run.liveBefore);
  problems.push(...notAsBefore(run, seen), ...(await oldChecks(run, options.signal)));
  for (const problem of problems) events.emit({ type: "diagnostic", ...problem });
  return { clean: problems.length === 0, problems, seen };
}

async function revertBatch(
  run: Run,
  { lanes }: Batch,
  options: RevertOptions,
): Promise<Diagnostic[]> {
  const limit = pLimit(PARALLEL);
  const startedOf = ({ target, step }: Scheduled): Started | undefined =>
    run.started.find((started) => started.target === target && started.step.id === step.id);
  const problems = await Promise.all(
    lanes.map((lane) =>
      limit(async () => {
        const found: Diagnostic[] = [];
        for (const scheduled of lane.steps.toReversed()) {
          const started = startedOf(scheduled);
          if (started !== undefined) found.push(...(await revertStep(run, started, options)));
        }
        return found;
      }),
    ),
  );
  return problems.flat();
}

async function revertStep(
  run: Run,
  started: Started,
  options: RevertOptions,
): Promise<Diagnostic[]> {
  const handler = stepOf(run, started);
  const { step } = started;
  if (handler === undefined) return [];
  let result: StepResult = "failed";
  const body = async (): Promise<StepResult> => {
    result = step.undo === undefined ? await tryRevert(run, started, options) : "left";
    if (options.records) await run.journal.append("reverted", { id: fullId(started), result });
    return result;
  };
  try {
    await told(run, started, {
      phase: "revert",
      text: `undo: ${handler.describe(step.input)}`,
      body,
    });
  } catch (error) {
    if (isFenced(error)) throw error;
    return leavesOf(error).map((leaf) => toDiagnostic(leaf));
  }
  return (result as StepResult) === "conflict"
    ? [conflictAt(started, handler.describe(step.input))]
    : [];
}

async function tryRevert(run: Run, started: Started, { signal }: RevertOptions): Promise<Reverted> {
  const { surroundings } = run.session;
  for (let attempt = 1; ; attempt += 1) {
    try {
      await run.lease.ensureFresh();
      return await callStep(run, started, {
        signal: AbortSignal.any([signal, run.lease.lost]),
        make: async (ctx) =>
          (await stepOf(run, started)?.revert?.(started.step.input, started.before, ctx)) ??
          "untouched",
      });
    } catch (error) {
      if (isFenced(error) || attempt === TRIES || signal.aborted) throw error;
      await surroundings.sleep(surroundings.random() * 500 * attempt, signal);
    }
  }
}

function conflictAt(started: Started, text: string): Diagnostic {
  return {
    severity: "error",
    code: "REVERT_CONFLICT",
    message: `Somebody changed what this run was about to put back (${text}); it was left alone.`,
    hint: "Look at what is there, make it right by hand, then run `lockstep recover`.",
    ...aboutStep(started),
  };
}

/** The end state is what the targets say, not what the reverts believe. */
function notAsBefore(run: Run, seen: Readonly<Record<string, Observed>>): Diagnostic[] {
  const unreadable = Object.values(seen).flatMap(({ errors }) =>
    errors.map((error) => toDiagnostic(error)),
  );
  const moved = differencesOf(run.liveBefore, seen).filter(({ found }) => found !== undefined);
  return [
    ...unreadable,
    ...moved.map(({ target, unit, wanted, found }): Diagnostic => ({
      severity: "error",
      code: "LIVE_DIFFERS",
      message: `It serves ${JSON.stringify(found)}, and served ${JSON.stringify(wanted)} before the run.`,
      hint: "Look at what is there, then run `lockstep recover`.",
      target,
      ...(unit === undefined ? {} : { unit }),
    })),
  ];
}

/** Checks that do not name the new release must hold for the old one, where there was one. */
async function oldChecks(run: Run, signal: AbortSignal): Promise<Diagnostic[]> {
  if (!hasActivated(run)) return [];
  const checks = batchesOf(run.plan, "verify")
    .flatMap(({ lanes }) => lanes.flatMap((lane) => lane.steps))
    .filter(({ step }) => !JSON.stringify(step.input).includes(run.plan.release.id))
    .filter(({ target, step }) => servedBefore(run, target, step.unit));
  const limit = pLimit(PARALLEL);
  const answers = await Promise.all(
    checks.map((scheduled) =>
      limit(async () => ({
        scheduled,
        answer: await askUntil(run, scheduled, signal).catch(toFailure),
      })),
    ),
  );
  return answers
    .filter(({ answer }) => answer.status === "fail")
    .map(({ scheduled, answer }) => ({
      severity: "error",
      code: "CHECK_FAILED",
      message: `The release that is live again fails its check: wanted ${answer.wanted ?? "a pass"}, found ${answer.found ?? "none"}.`,
      hint: "The old release does not work either: look at the service itself.",
      ...aboutStep(scheduled),
    }));
}

function toFailure(error: unknown): { status: "fail"; wanted?: string; found: string } {
  return { status: "fail", found: toDiagnostic(error).message };
}

function servedBefore(run: Run, target: string, unit: string | undefined): boolean {
  const own = (run.liveBefore[target] ?? []).filter(
    (live) => unit === undefined || live.unit === unit,
  );
  // A target without pointers only looks at what the others serve.
  const units = own.length > 0 ? own : Object.values(run.liveBefore).flat();
  return units.length > 0 && units.every(({ ref }) => ref !== null);
}
