import { type StepResult, toDiagnostic } from "@lockstep/events";
import type { Json } from "@lockstep/plugin";
import pLimit from "p-limit";
import { judge, retireOf, stepOf, told, withRetries } from "./attempt.ts";
import { callStep, type Run } from "./run.ts";
import { type Batch, batchesOf, fullId, type Lane, type Scheduled } from "./schedule.ts";

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
  const steps = stepsOf(batchesOf(run.plan, "activate"));
  const limit = pLimit(DEFAULT_PARALLEL);
  const befores = await Promise.all(
    steps
      .filter((scheduled) => stepOf(run, scheduled) !== undefined)
      .map((scheduled) =>
        limit(async () => ({
          id: fullId(scheduled),
          before: await inspect(run, scheduled, run.stop),
        })),
      ),
  );
  await run.journal.append("barrier", { befores });
  for (const { id, before } of befores) run.befores.set(id, before);
  run.session.events.emit({ type: "barrier" });
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
  const body = async (): Promise<StepResult> => {
    await run.lease.ensureFresh();
    await callStep(run, scheduled, {
      signal: run.lease.lost,
      make: async (ctx) => handler?.retire(input, ctx),
    });
    return "retired";
  };
  await told(run, scheduled, { phase: "retire", text: handler?.describe(input) ?? kind, body });
}

function stepsOf(batches: readonly Batch[]): Scheduled[] {
  return batches.flatMap(({ lanes }) => lanes.flatMap((lane) => lane.steps));
}

/** One intent record for the whole wave, so that no store round trip falls between two of its moves. */
async function intend(run: Run, batch: Batch): Promise<void> {
  const steps = stepsOf([batch]).filter((scheduled) => stepOf(run, scheduled) !== undefined);
  if (steps.length === 0) return;
  await run.journal.append("intent", {
    phase: batch.phase,
    entries: steps.map((scheduled) => ({ id: fullId(scheduled) })),
  });
  for (const scheduled of steps) {
    run.started.push({ ...scheduled, before: run.befores.get(fullId(scheduled)) ?? null });
  }
}

/** What a phase keeps while it runs. */
interface Work {
  /** Aborts when one step failed: nothing new is started, and staging stops where it is. */
  readonly halt: AbortSignal;
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
  const halt = new AbortController();
  const work: Work = {
    halt: halt.signal,
    budget: { left: RETRIES_PER_PHASE },
    records: [],
    batch: (batch, one) => runBatch(run, batch, { work, one, halt }),
  };
  const steps = stepsOf(batchesOf(run.plan, phase)).length;
  if (steps === 0) return;
  events.emit({ type: "phase.started", phase, steps });
  await body(work);
  events.emit({ type: "phase.finished", phase, ms: Math.round(surroundings.monotonic() - begun) });
}

/** Runs the lanes side by side; when one fails, no lane starts another step, and all are awaited. */
async function runBatch(
  run: Run,
  batch: Batch,
  {
    work,
    one,
    halt,
  }: { readonly work: Work; readonly one: StepRunner; readonly halt: AbortController },
): Promise<void> {
  const limits = new Map<string, ReturnType<typeof pLimit>>();
  const limitOf = (target: string): ReturnType<typeof pLimit> => {
    const limit =
      limits.get(target) ?? pLimit(run.plan.targets[target]?.parallel ?? DEFAULT_PARALLEL);
    limits.set(target, limit);
    return limit;
  };
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
  await Promise.all(batch.lanes.map((lane) => limitOf(lane.target)(() => runLane(lane))));
  for (const record of await Promise.allSettled(work.records.splice(0))) {
    if (record.status === "rejected") failures.push(record.reason);
  }
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, "Several steps failed.");
}

async function stageStep(run: Run, scheduled: Scheduled, work: Work): Promise<void> {
  const handler = stepOf(run, scheduled);
  const signal = AbortSignal.any([work.halt, run.stop, run.lease.lost]);
  if (handler === undefined) return judge(run, scheduled, signal);
  const { step } = scheduled;
  const body = async (): Promise<StepResult> => {
    const before = await inspect(run, scheduled, signal);
    await run.journal.append("intent", {
      phase: "stage",
      entries: [{ id: fullId(scheduled), before }],
    });
    run.started.push({ ...scheduled, before });
    const once = (): Promise<Json> => apply(run, scheduled, { before, signal });
    const output = await withRetries(run, scheduled, { ...work, signal, once });
    await noteApplied(run, scheduled, output);
    return "applied";
  };
  await told(run, scheduled, { phase: "stage", text: handler.describe(step.input), body });
}

/** A pointer move in flight is not cut off by a stop or by another step's failure; its own time limits it. */
async function activateStep(run: Run, scheduled: Scheduled, work: Work): Promise<void> {
  const handler = stepOf(run, scheduled);
  if (handler === undefined)
    return judge(run, scheduled, AbortSignal.any([run.stop, run.lease.lost]));
  const before = run.befores.get(fullId(scheduled)) ?? null;
  const body = async (): Promise<StepResult> => {
    await run.lease.ensureFresh();
    const signal = run.lease.lost;
    const once = (): Promise<Json> => apply(run, scheduled, { before, signal });
    const output = await withRetries(run, scheduled, { ...work, signal, once });
    run.moves.push(run.session.surroundings.monotonic());
    const record = noteApplied(run, scheduled, output);
    record.catch(() => undefined); // seen when the batch ends; until then it must not end the process
    work.records.push(record);
    return "applied";
  };
  await told(run, scheduled, {
    phase: "activate",
    text: handler.describe(scheduled.step.input),
    body,
  });
}

async function noteApplied(run: Run, scheduled: Scheduled, output: Json): Promise<void> {
  run.outputs.set(fullId(scheduled), output);
  await run.journal.append("applied", { id: fullId(scheduled), output });
}

function apply(
  run: Run,
  scheduled: Scheduled,
  { before, signal }: { readonly before: Json; readonly signal: AbortSignal },
): Promise<Json> {
  return callStep(run, scheduled, {
    signal,
    make: async (ctx) =>
      (await stepOf(run, scheduled)?.apply(scheduled.step.input, before, ctx)) ?? null,
  });
}

function inspect(run: Run, scheduled: Scheduled, signal: AbortSignal): Promise<Json> {
  return callStep(run, scheduled, {
    signal,
    make: async (ctx) => (await stepOf(run, scheduled)?.inspect(scheduled.step.input, ctx)) ?? null,
  });
}
