import { toDiagnostic, together } from "@lockstep/events";
import type { Json } from "@lockstep/plugin";
import { differencesOf, recordsOf } from "@lockstep/state";
import pLimit from "p-limit";
import { judge, retireOf, stepOf, told, withRetries } from "./attempt.ts";
import { liveMoved } from "./errors.ts";
import { observe } from "./observe.ts";
import { callStep, type Run, type Started } from "./run.ts";
import { type Batch, batchesOf, fullId, type Lane, type Scheduled, stepsOf } from "./schedule.ts";

/** Units of one target that are worked on at the same time, unless its plan says otherwise. */
const DEFAULT_PARALLEL = 8;

/** Further tries in one phase for failures that call themselves retryable. */
const RETRIES_PER_PHASE = 10;

/**
 * Stages everything. When it rejects, no pointer has moved.
 *
 * @throws {LockstepError} the first failure, or an AggregateError with the first failure first
 */
export async function stage(run: Run): Promise<void> {
  await inPhase(run, "stage", async (work) => {
    for (const batch of batchesOf(run.plan, "stage")) await work.batch(batch, stageStep);
  });
}

/**
 * The barrier: what every activate step will change is read and made durable, in one record.
 *
 * From here on any process can put everything back.
 */
export async function barrier(run: Run): Promise<void> {
  if (recordsOf(run.journal.records, "barrier").length > 0) return; // a run that goes on is beyond it
  const limit = pLimit(DEFAULT_PARALLEL);
  const steps = stepsOf(batchesOf(run.plan, "activate")).filter(
    (step) => stepOf(run, step) !== undefined,
  );
  const look = async (scheduled: Scheduled): Promise<{ id: string; before: Json }> => ({
    id: fullId(scheduled),
    before: await inspect(run, scheduled, run.stop),
  });
  const befores = await limit.map(steps, look);
  // After the look at each step: what changes from now on is refused by its own comparison.
  await refuseForeignChanges(run);
  await run.journal.append("barrier", { befores });
  for (const { id, before } of befores) run.befores.set(id, before);
  run.session.events.emit({ type: "barrier" });
}

/** Staging takes its time: who changed what is live meanwhile must not be overwritten. */
async function refuseForeignChanges(run: Run): Promise<void> {
  const seen = await observe(run.session, run.liveBefore, run.stop);
  const unreadable = Object.values(seen).flatMap(({ errors }) => errors);
  const moved = differencesOf(run.liveBefore, seen).filter(({ found }) => found !== undefined);
  const errors = [...unreadable, ...moved.map((difference) => liveMoved(difference))];
  if (errors.length > 0) throw together(errors, "Several units changed while the run staged.");
}

/** Moves all pointers, wave after wave. When it rejects, some may have moved. */
export async function activate(run: Run): Promise<void> {
  await inPhase(run, "activate", async (work) => {
    for (const batch of batchesOf(run.plan, "activate")) {
      run.stop.throwIfAborted();
      await run.lease.ensureFresh();
      await intend(run, batch);
      await work.batch(batch, activateStep);
    }
  });
}

/**
 * Asks every check of the verify phase, as often as the plan says.
 *
 * @throws {LockstepError} `CHECK_FAILED` with wanted and found, `CHECK_INCONCLUSIVE` when it could not be measured
 */
export async function verify(run: Run): Promise<void> {
  await inPhase(run, "verify", async (work) => {
    for (const batch of batchesOf(run.plan, "verify")) await work.batch(batch, activateStep);
  });
}

/** Removes what is no longer needed. A failure is a warning: the release is live and stays. */
export async function retire(run: Run): Promise<void> {
  await inPhase(run, "retire", async () => {
    for (const scheduled of stepsOf(batchesOf(run.plan, "retire"))) {
      await retireStep(run, scheduled).catch((error: unknown) => {
        run.session.events.emit({ type: "diagnostic", ...toDiagnostic(error, "warning") });
      });
    }
  });
}

async function retireStep(run: Run, scheduled: Scheduled): Promise<void> {
  const handler = retireOf(run, scheduled);
  const { input, kind } = scheduled.step;
  const text = handler?.describe(input) ?? kind;
  await told(run, { ...scheduled, phase: "retire", text }, async () => {
    await run.lease.ensureFresh();
    const call = { ...scheduled, signal: run.lease.lost };
    await callStep(run, call, async (ctx) => handler?.retire(input, ctx));
    return "retired";
  });
}

/** One intent record for the whole wave, so that no store round trip falls between two of its moves. */
async function intend(run: Run, batch: Batch): Promise<void> {
  const steps = stepsOf([batch]).filter(
    (scheduled) => stepOf(run, scheduled) !== undefined && !run.started.has(fullId(scheduled)),
  );
  if (steps.length === 0) return;
  const entries = steps.map((scheduled) => ({ id: fullId(scheduled) }));
  await run.journal.append("intent", { phase: batch.phase, entries });
  for (const scheduled of steps) begin(run, scheduled, run.befores.get(fullId(scheduled)) ?? null);
}

/** What a phase keeps while it runs. */
interface Work {
  /** Aborts when one step failed: nothing new is started, and staging stops where it is. */
  readonly halt: AbortController;
  readonly budget: { left: number };
  /** Records that need not be waited for between two pointer moves; the batch ends when they are durable. */
  readonly records: Promise<void>[];
  batch(batch: Batch, one: StepRunner): Promise<void>;
}

type StepRunner = (run: Run, scheduled: Scheduled, work: Work) => Promise<void>;

async function inPhase(
  run: Run,
  phase: Batch["phase"],
  body: (work: Work) => Promise<void>,
): Promise<void> {
  const { events, surroundings } = run.session;
  const begun = surroundings.monotonic();
  const steps = stepsOf(batchesOf(run.plan, phase)).length;
  if (steps === 0) return;
  events.emit({ type: "phase.started", phase, steps });
  const work: Work = {
    halt: new AbortController(),
    budget: { left: RETRIES_PER_PHASE },
    records: [],
    batch: (batch, one) => runBatch(run, batch, { work, one }),
  };
  await body(work);
  events.emit({ type: "phase.finished", phase, ms: Math.round(surroundings.monotonic() - begun) });
}
/** Runs the lanes side by side; when one fails, no lane starts another step, and all are awaited. */
async function runBatch(
  run: Run,
  batch: Batch,
  { work, one }: { readonly work: Work; readonly one: StepRunner },
): Promise<void> {
  const { halt, records } = work;
  const names = new Set(batch.lanes.map(({ target }) => target));
  const limits = new Map(
    [...names].map((name) => [name, pLimit(run.plan.targets[name]?.parallel ?? DEFAULT_PARALLEL)]),
  );
  const failures: unknown[] = [];
  const runLane = async (lane: Lane): Promise<void> => {
    try {
      for (const scheduled of lane.steps) {
        if (halt.signal.aborted) return;
        run.stop.throwIfAborted();
        run.lease.lost.throwIfAborted();
        await one(run, scheduled, work);
      }
    } catch (error) {
      // Staging that was cut off because another step failed is no failure of its own.
      if (!halt.signal.aborted || batch.phase !== "stage") failures.push(error);
      halt.abort(error);
    }
  };
  await Promise.all(
    batch.lanes.map(async (lane) => limits.get(lane.target)?.(() => runLane(lane))),
  );
  for (const record of await Promise.allSettled(records.splice(0))) {
    if (record.status === "rejected") failures.push(record.reason);
  }
  if (failures.length > 0) throw together(failures, "Several steps failed.");
}

async function stageStep(run: Run, scheduled: Scheduled, work: Work): Promise<void> {
  const signal = AbortSignal.any([work.halt.signal, run.stop, run.lease.lost]);
  const text = stepOf(run, scheduled)?.describe(scheduled.step.input);
  if (text === undefined) return judge(run, scheduled, signal);
  await told(run, { ...scheduled, phase: "stage", text }, async () => {
    const id = fullId(scheduled);
    const begun = run.started.get(id);
    const before = begun === undefined ? await inspect(run, scheduled, signal) : begun.before;
    if (begun === undefined) {
      await run.journal.append("intent", { phase: "stage", entries: [{ id, before }] });
      begin(run, scheduled, before);
    }
    await (
      await apply(run, { ...scheduled, before }, { ...work, signal })
    ).record;
    return "applied";
  });
}

/** A pointer move in flight is not cut off by a stop or by another step's failure; its own time limits it. */
async function activateStep(run: Run, scheduled: Scheduled, work: Work): Promise<void> {
  const text = stepOf(run, scheduled)?.describe(scheduled.step.input);
  if (text === undefined) return judge(run, scheduled, AbortSignal.any([run.stop, run.lease.lost]));
  await told(run, { ...scheduled, phase: "activate", text }, async () => {
    await run.lease.ensureFresh();
    const before = run.befores.get(fullId(scheduled)) ?? null;
    const applying = { ...work, signal: run.lease.lost };
    const { record } = await apply(run, { ...scheduled, before }, applying);
    record.catch(() => undefined); // seen when the batch ends; until then it must not end the process
    work.records.push(record);
    return "applied";
  });
}

function begin(run: Run, scheduled: Scheduled, before: Json): void {
  run.started.set(fullId(scheduled), { ...scheduled, before });
}

/** Applies a step, again while that is worth it; resolves with the record of it, which is not durable yet. */
async function apply(
  run: Run,
  started: Started,
  { budget, signal }: Pick<Work, "budget"> & { readonly signal: AbortSignal },
): Promise<{ readonly record: Promise<void> }> {
  const { step, before } = started;
  const once = (): Promise<Json> =>
    callStep(
      run,
      { ...started, signal },
      async (ctx) => (await stepOf(run, started)?.apply(step.input, before, ctx)) ?? null,
    );
  const output = await withRetries(run, started, { budget, signal, once });
  const id = fullId(started);
  run.outputs.set(id, output);
  if (step.phase === "activate") run.moves.push(run.session.surroundings.monotonic());
  return { record: run.journal.append("applied", { id, output }) };
}

function inspect(run: Run, scheduled: Scheduled, signal: AbortSignal): Promise<Json> {
  const { input } = scheduled.step;
  return callStep(
    run,
    { ...scheduled, signal },
    async (ctx) => (await stepOf(run, scheduled)?.inspect(input, ctx)) ?? null,
  );
}
