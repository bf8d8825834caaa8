import type { AnyTarget } from "@lockstep/config";
import {
  type About,
  type Phase,
  type StepResult,
  isRetryable,
  located,
  toDiagnostic,
} from "@lockstep/events";
import type { CheckResult, Until } from "@lockstep/plugin";
import { checkFailed, checkInconclusive } from "./errors.ts";
import { callStep, type Run } from "./run.ts";
import { fullId, type Scheduled } from "./schedule.ts";

/** Longest pause before a further try, in milliseconds; the first is at most 200. */
const LONGEST_PAUSE_MS = 20_000;

/** How a call that may be repeated is made. */
export interface Attempts<T> {
  /** Further tries that are left; shared by the steps of a phase. */
  readonly budget: { left: number };
  readonly signal: AbortSignal;
  once(): Promise<T>;
}

/**
 * Exponential pauses with full jitter, out of one budget for the phase.
 *
 * @see AWS Architecture Blog, "Exponential Backoff And Jitter" (2015)
 */
export async function withRetries<T>(
  run: Run,
  scheduled: Scheduled,
  { budget, signal, once }: Attempts<T>,
): Promise<T> {
  const { surroundings, events } = run.session;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await once();
    } catch (error) {
      if (!isRetryable(error) || budget.left === 0 || signal.aborted) throw error;
      budget.left -= 1;
      const reason = toDiagnostic(error).message;
      events.emit({ type: "step.retrying", ...aboutStep(scheduled), attempt, reason });
      const ceiling = Math.min(LONGEST_PAUSE_MS, 200 * 2 ** (attempt - 1));
      await surroundings.sleep(surroundings.random() * ceiling, signal);
    }
  }
}

/** Asks a check until it passed often enough in a row, or its time is over: then the last answer counts. */
export async function judge(run: Run, scheduled: Scheduled, signal: AbortSignal): Promise<void> {
  const handler = handlerOf(targetOf(run, scheduled)?.checks, scheduled);
  const { step } = scheduled;
  const text = handler?.describe(step.input) ?? step.kind;
  await told(run, { ...scheduled, phase: step.phase, text }, async () => {
    const last = await askUntil(run, scheduled, signal);
    await run.journal.append("checked", { id: fullId(scheduled), ...last });
    if (last.status === "fail") throw checkFailed(text, last);
    if (last.status === "inconclusive") throw checkInconclusive(text, last);
    return "passed";
  });
}

const ONCE: Until = { successes: 1, intervalMs: 0, deadlineMs: 0 };

/** Repeats a check as its plan says; the answer that counts. */
export async function askUntil(
  run: Run,
  scheduled: Scheduled,
  signal: AbortSignal,
): Promise<CheckResult> {
  const { surroundings, events } = run.session;
  const { successes, intervalMs, deadlineMs } = scheduled.step.until ?? ONCE;
  const end = surroundings.monotonic() + deadlineMs;
  for (let passed = 0; ;) {
    const answer = await ask(run, scheduled, signal);
    events.emit({ type: "check.tried", ...aboutStep(scheduled), ...answer });
    passed = answer.status === "pass" ? passed + 1 : 0;
    if (passed >= successes) return answer;
    if (surroundings.monotonic() + intervalMs > end) return unfinished(answer, passed, successes);
    await surroundings.sleep(intervalMs, signal);
  }
}

/** Passing, but not often enough in the time given, is not a pass. */
function unfinished(answer: CheckResult, passed: number, successes: number): CheckResult {
  if (answer.status !== "pass") return answer;
  return {
    status: "fail",
    wanted: `${successes} passes in a row`,
    found: `${passed} when the time was over`,
  };
}

/** A transport that failed in a way that may pass is a missing measurement, not a bad one. */
async function ask(run: Run, scheduled: Scheduled, signal: AbortSignal): Promise<CheckResult> {
  const handler = handlerOf(targetOf(run, scheduled)?.checks, scheduled);
  try {
    const answer = await callStep(
      run,
      { ...scheduled, signal },
      async (ctx): Promise<CheckResult> =>
        handler?.check(scheduled.step.input, ctx) ?? { status: "inconclusive" },
    );
    return run.session.redactor.json({ ...answer }); // it is for the journal, too
  } catch (error) {
    if (!isRetryable(error) || signal.aborted) throw error;
    return { status: "inconclusive", found: toDiagnostic(error).message };
  }
}

/** What is done about a planned step, for people. */
interface Telling extends Scheduled {
  readonly phase: Phase;
  readonly text: string;
}

/** Tells the beginning and the end of a step around what it does. */
export async function told(
  run: Run,
  telling: Telling,
  body: () => Promise<StepResult>,
): Promise<void> {
  const { events, surroundings } = run.session;
  const { phase, text } = telling;
  const about = aboutStep(telling);
  const begun = surroundings.monotonic();
  const finish = (result: StepResult): void => {
    const ms = Math.round(surroundings.monotonic() - begun);
    events.emit({ type: "step.finished", ...about, phase, result, ms });
  };
  events.emit({ type: "step.started", ...about, phase, text });
  try {
    finish(await body());
  } catch (error) {
    finish("failed");
    throw located(error, about, run.session.redactor);
  }
}

/** How events name a planned step. */
export function aboutStep({ target, step }: Scheduled): About {
  return { target, step: step.id, unit: step.unit };
}

/** The handler that can run a planned step; undefined when it is a check. */
export function stepOf(run: Run, scheduled: Scheduled): Handler<"steps"> | undefined {
  return handlerOf(targetOf(run, scheduled)?.steps, scheduled);
}

/** The handler of a planned retire. */
export function retireOf(run: Run, scheduled: Scheduled): Handler<"retires"> | undefined {
  return handlerOf(targetOf(run, scheduled)?.retires, scheduled);
}

type Handler<List extends "steps" | "checks" | "retires"> = NonNullable<AnyTarget[List]>[number];

function targetOf(run: Run, { target }: Scheduled): AnyTarget | undefined {
  return run.session.targets.get(target)?.target;
}

function handlerOf<T extends { readonly kind: string }>(
  handlers: readonly T[] | undefined,
  { step }: Scheduled,
): T | undefined {
  return handlers?.find(({ kind }) => kind === step.kind);
}
