import { type About, type Diagnostic, isFenced, leavesOf, toDiagnostic } from "@lockstep/events";
import type { CheckResult, Live, Reverted } from "@lockstep/plugin";
import { differencesOf, type RevertEntry } from "@lockstep/state";
import pLimit from "p-limit";
import { aboutStep, askUntil, stepOf, told } from "./attempt.ts";
import { liveDiffers, oldCheckFailed, revertConflict } from "./errors.ts";
import { observe, type Observed } from "./observe.ts";
import { callStep, hasActivated, type Run, type Started } from "./run.ts";
import { type Batch, batchesOf, fullId, type Scheduled, stepsOf } from "./schedule.ts";

/** Tries of one revert before a human is asked. */
const TRIES = 3;

/** Units put back at the same time. */
const PARALLEL = 8;

/** What putting everything back led to, as it was seen afterwards. */
export interface Restored {
  /** No error among them: every target serves what it served before, by its own account. */
  readonly problems: readonly Diagnostic[];
  readonly seen: Readonly<Record<string, Observed>>;
}

/** How a revert is written down. During an outage of the store nothing can be. */
export interface RevertOptions {
  readonly signal: AbortSignal;
  readonly records: boolean;
  /** Units, as `target` or `target/unit`, that are left as they are. */
  readonly skip: readonly string[];
}

/**
 * Undoes every started step of every target, newest first, going on past failures; then looks.
 *
 * Safe to run again: every revert finds out for itself whether there is anything to put back.
 *
 * @throws {LockstepError} only when this run was overtaken: then it must not touch anything any more
 */
export async function revertAll(run: Run, wish: RevertOptions): Promise<Restored> {
  const options = { ...wish, signal: AbortSignal.any([wish.signal, run.lease.lost]) };
  const begun = run.session.surroundings.monotonic();
  const { events } = run.session;
  events.emit({ type: "phase.started", phase: "revert", steps: run.started.size });
  const problems: Diagnostic[] = [];
  const batches = [...batchesOf(run.plan, "stage"), ...batchesOf(run.plan, "activate")];
  for (const batch of batches.toReversed()) {
    problems.push(...(await revertBatch(run, batch, options)));
  }
  const ms = Math.round(run.session.surroundings.monotonic() - begun);
  events.emit({ type: "phase.finished", phase: "revert", ms });

  const seen = await observe(run.session, run.liveBefore);
  problems.push(...notAsBefore(run, seen), ...(await oldChecks(run, options.signal)));
  const reported = problems.map((problem) => asSkipped(problem, options.skip));
  for (const problem of reported) events.emit({ type: "diagnostic", ...problem });
  return { problems: reported, seen };
}

function isSkipped({ target = "", unit = "" }: About, skip: readonly string[]): boolean {
  return skip.includes(target) || skip.includes(`${target}/${unit}`);
}

/** What is wrong with a unit that somebody gave up is worth a word, and no reason to keep the run open. */
function asSkipped(problem: Diagnostic, skip: readonly string[]): Diagnostic {
  return isSkipped(problem, skip) ? { ...problem, severity: "warning" } : problem;
}

async function revertBatch(
  run: Run,
  { lanes }: Batch,
  options: RevertOptions,
): Promise<Diagnostic[]> {
  const problems: Diagnostic[] = [];
  const entries: RevertEntry[] = [];
  await pLimit(PARALLEL).map(lanes, async (lane) => {
    for (const scheduled of lane.steps.toReversed()) {
      const started = run.started.get(fullId(scheduled));
      if (started === undefined || isSkipped(aboutStep(started), options.skip)) continue;
      const result = await revertStep(run, started, { options, problems });
      if (result !== undefined) entries.push({ id: fullId(started), result });
    }
  });
  if (options.records && entries.length > 0) await run.journal.append("reverted", { entries });
  return problems;
}

/** How it was put back; undefined when it could not be. */
async function revertStep(
  run: Run,
  started: Started,
  { options, problems }: { readonly options: RevertOptions; readonly problems: Diagnostic[] },
): Promise<RevertEntry["result"] | undefined> {
  const what = stepOf(run, started)?.describe(started.step.input) ?? "";
  let result: RevertEntry["result"] | undefined;
  try {
    await told(run, { ...started, phase: "revert", text: `undo: ${what}` }, async () => {
      result = started.step.undo === undefined ? await tryRevert(run, started, options) : "left";
      if (result === "conflict")
        problems.push({ ...toDiagnostic(revertConflict(what)), ...aboutStep(started) });
      return result;
    });
  } catch (error) {
    if (isFenced(error)) throw error;
    problems.push(...leavesOf(error).map((leaf) => toDiagnostic(leaf)));
  }
  return result;
}

async function tryRevert(run: Run, started: Started, options: RevertOptions): Promise<Reverted> {
  const { surroundings } = run.session;
  const { input } = started.step;
  const { signal } = options;
  for (let attempt = 1; ; attempt += 1) {
    try {
      await run.lease.ensureFresh();
      return await callStep(
        run,
        { ...started, signal },
        async (ctx) =>
          (await stepOf(run, started)?.revert?.(input, started.before, ctx)) ?? "untouched",
      );
    } catch (error) {
      if (isFenced(error) || attempt === TRIES || signal.aborted) throw error;
      await surroundings.sleep(surroundings.random() * 500 * attempt, signal);
    }
  }
}

/** The end state is what the targets say, not what the reverts believe. */
function notAsBefore(run: Run, seen: Readonly<Record<string, Observed>>): Diagnostic[] {
  const unreadable = Object.values(seen).flatMap(({ errors }) => errors);
  const moved = differencesOf(run.liveBefore, seen).filter(({ found }) => found !== undefined);
  // Before anything was activated it was not this run that changed what users get.
  const severity = hasActivated(run) ? "error" : "warning";
  return [
    ...unreadable.map((error) => toDiagnostic(error)),
    ...moved.map((difference) => toDiagnostic(liveDiffers(difference), severity)),
  ];
}

/** Checks that do not name the new release must hold for the old one, where there was one. */
async function oldChecks(run: Run, signal: AbortSignal): Promise<Diagnostic[]> {
  if (!hasActivated(run)) return [];
  const checks = stepsOf(batchesOf(run.plan, "verify"))
    .filter(({ step }) => !JSON.stringify(step.input).includes(run.plan.release.id))
    .filter(servedBefore(run));
  const problems = await pLimit(PARALLEL).map(checks, async (scheduled): Promise<Diagnostic[]> => {
    const answer = await askUntil(run, scheduled, signal).catch(toFailure);
    const about = aboutStep(scheduled);
    return answer.status === "fail" ? [{ ...toDiagnostic(oldCheckFailed(answer)), ...about }] : [];
  });
  return problems.flat();
}

function toFailure(error: unknown): CheckResult {
  return { status: "fail", found: toDiagnostic(error).message };
}

/** Tells whether what a check is about served anything before the run. */
function servedBefore({ liveBefore }: Run): (check: Scheduled) => boolean {
  const served = (units: readonly Live[]): boolean =>
    units.length > 0 && units.every(({ ref }) => ref !== null);
  const byTarget = new Map(
    Object.entries(liveBefore).map(([target, units]) => [
      target,
      new Map(units.map((live) => [live.unit, live])),
    ]),
  );
  // A target without pointers only looks at what the others serve.
  const all = served(Object.values(liveBefore).flat());
  return ({ target, step }) => {
    const own = byTarget.get(target) ?? new Map<string | undefined, Live>();
    if (own.size === 0) return all;
    const unit = own.get(step.unit);
    return unit === undefined ? served([...own.values()]) : unit.ref !== null;
  };
}
