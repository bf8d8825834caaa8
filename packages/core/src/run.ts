import type { Json, Live, Stamp } from "@lockstep/plugin";
import { type Journal, type Lease } from "@lockstep/state";
import { type Plan } from "./plan.ts";
import { fullId, type Scheduled } from "./schedule.ts";
import { call, type CallContext, type CallScope, type Session } from "./session.ts";

/** A step whose intent is durable: from here on the target may have changed. */
export interface Started extends Scheduled {
  /** What `inspect` saw; what `revert` restores. */
  readonly before: Json;
}

/** A run in this process: what is fixed when it begins, and what grows with the journal. */
export interface Run {
  readonly session: Session;
  readonly plan: Plan;
  readonly journal: Journal;
  readonly lease: Lease;
  /** Name of the store that counts the epochs. */
  readonly lineage: string;
  /** Of the lease as it is now. */
  readonly stamp: Stamp;
  /** What every target served before staging began. */
  readonly liveBefore: Readonly<Record<string, readonly Live[]>>;
  /** Aborts when the user asks the run to stop. */
  readonly stop: AbortSignal;
  /** In the order of their intents; by full id. */
  readonly started: Map<string, Started>;
  /** What `inspect` saw of the activate steps, from the barrier on; by full id. */
  readonly befores: Map<string, Json>;
  /** What applied steps returned, by full id. */
  readonly outputs: Map<string, Json>;
  /** What long transfers saved last, by full id. */
  readonly checkpoints: Map<string, Json>;
  /** When pointers moved, on the monotonic clock. */
  readonly moves: number[];
}

/** What is known of a run when it begins, or begins again. */
export type RunParts = Omit<
  Run,
  "stamp" | "started" | "befores" | "outputs" | "checkpoints" | "moves"
>;

/** Begins a run in this process: names it in all later events. */
export function startRun(parts: RunParts): Run {
  const { session, plan, journal, lease } = parts;
  session.events.begin(journal.run);
  const { environment, release } = plan;
  const { epoch } = lease;
  session.events.emit({ type: "run.started", environment, release: release.id, epoch });
  return {
    ...parts,
    get stamp() {
      return { lineage: parts.lineage, epoch: lease.epoch, run: journal.run };
    },
    started: new Map(),
    befores: new Map(),
    outputs: new Map(),
    checkpoints: new Map(),
    moves: [],
  };
}

/** True from the moment at which users may have seen something of this run. */
export function hasActivated(run: Run): boolean {
  return [...run.started.values()].some(({ step }) => step.phase === "activate");
}

/** Milliseconds between the first and the last pointer move; absent with fewer than two moves. */
export function skewOf({ moves }: Run): number | undefined {
  return moves.length < 2 ? undefined : Math.round(Math.max(...moves) - Math.min(...moves));
}

/** Calls the target of a step, with everything the run knows about that step. */
export function callStep<T>(
  run: Run,
  scheduled: Scheduled & { readonly signal: AbortSignal },
  make: (ctx: CallContext) => Promise<T>,
): Promise<T> {
  const { target, step, signal } = scheduled;
  const { unit, timeoutMs } = step;
  const id = fullId(scheduled);
  const scope: CallScope = {
    target,
    unit,
    step: step.id,
    signal,
    timeoutMs,
    run: run.journal.run,
    release: run.plan.release,
    stamp: run.stamp,
    output: (stepId) => run.outputs.get(`${target}/${stepId}`),
    outputs: (name) => run.plan.targets[name]?.outputs,
    checkpoint: {
      last: run.checkpoints.get(id),
      save: async (value) => {
        await run.journal.append("checkpoint", { id, value });
        run.checkpoints.set(id, value);
      },
    },
  };
  return call(run.session, scope, make);
}
