import {
  isLockstepError,
  type Json,
  type Live,
  type PlannedStep,
  type PlanRequest,
  type Stamp,
  type Step,
  type Target,
  type TargetPlan,
  type WriteContext,
} from "@lockstep/plugin";
import { testContext } from "./context.ts";

/** A target in a world that can be looked at from outside. */
export interface TargetWorld {
  readonly target: Target;
  /** Absolute folder that relative sources start from. */
  readonly folder: string;
  /** Variables, secrets among them; none of their values may show up anywhere. */
  readonly env?: Readonly<Record<string, string>>;
  /** Makes the source hold version one or two; they differ. */
  build(version: "one" | "two"): Promise<void>;
  /** What users get, by a way that is independent of the plugin; null when there is nothing. */
  observe(): Promise<unknown>;
  /** Somebody else changes what is live. Absent where nobody can. */
  foreignEdit?(): Promise<void>;
  dispose?(): Promise<void>;
}

/** A step that was applied, with what it saw before. */
export interface AppliedStep {
  readonly step: PlannedStep;
  readonly before: Json;
}

/** Drives a target through its phases as the runner does, without journal and lease. */
export class TargetDriver implements AsyncDisposable {
  readonly world: TargetWorld;
  readonly connection: AsyncDisposable;
  /** All that was ever planned or returned, to be searched for secrets. */
  readonly seen: Json[] = [];
  /** Codes of all errors the target raised. */
  readonly codes: Set<string> = new Set();
  #epoch = 0;
  #stamp: Stamp;
  #outputs: Map<string, Json> = new Map();

  private constructor(world: TargetWorld, connection: AsyncDisposable) {
    this.world = world;
    this.connection = connection;
    this.#stamp = this.#nextStamp();
  }

  static async connect(world: TargetWorld): Promise<TargetDriver> {
    const { env = {}, folder, target } = world;
    const context = testContext(undefined, { env, folder });
    return new TargetDriver(world, await target.connect(context));
  }

  /** Begins a new run: the next epoch, the next release. */
  begin(): Stamp {
    this.#stamp = this.#nextStamp();
    this.#outputs = new Map();
    return this.#stamp;
  }

  context(stamp: Stamp = this.#stamp, unit?: string): WriteContext<AsyncDisposable> {
    const { env = {}, folder } = this.world;
    const id = `20261121T0000${String(stamp.epoch).padStart(2, "0")}Z-0000000${stamp.epoch % 10}`;
    return testContext(this.connection, {
      env,
      folder,
      stamp,
      run: stamp.run,
      release: { id, createdAt: "2026-11-21T00:00:00.000Z" },
      output: (step) => this.#outputs.get(step),
      ...(unit === undefined ? {} : { unit }),
    });
  }

  live(): Promise<readonly Live[]> {
    return this.#noted(() => this.world.target.live(this.context()));
  }

  /** What is live, without stamps and kept releases. */
  async refs(): Promise<Json> {
    return (await this.live()).map(({ unit, ref }) => [unit ?? null, ref]);
  }

  plan(refs?: readonly Live[]): Promise<TargetPlan> {
    const context = this.context();
    const request: PlanRequest =
      refs === undefined ? { kind: "deploy", release: context.release } : { kind: "return", refs };
    return this.#noted(() =>
      this.world.target.plan(request, { ...context, outputs: () => undefined }),
    );
  }

  async fence(stamp: Stamp = this.#stamp): Promise<void> {
    await this.#noted(async () => this.world.target.fence?.(stamp, this.context(stamp)));
  }

  /** Applies the steps of a phase in list order; what they saw comes back. */
  async apply(plan: TargetPlan, phase: PlannedStep["phase"]): Promise<AppliedStep[]> {
    const applied: AppliedStep[] = [];
    for (const { step, before } of await this.inspect(plan, phase)) {
      await this.applyOne({ step, before });
      applied.push({ step, before });
    }
    return applied;
  }

  /** What the steps of a phase see; checks are left out. */
  async inspect(plan: TargetPlan, phase: PlannedStep["phase"]): Promise<AppliedStep[]> {
    const seen: AppliedStep[] = [];
    for (const step of plan.steps.filter((planned) => planned.phase === phase)) {
      const handler = this.#handlerOf(step);
      if (handler === undefined) continue;
      const before = await this.#noted(() =>
        handler.inspect(step.input, this.context(this.#stamp, step.unit)),
      );
      seen.push({ step, before: JSON.parse(JSON.stringify(before)) as Json });
    }
    return seen;
  }

  async applyOne({ step, before }: AppliedStep, stamp: Stamp = this.#stamp): Promise<void> {
    const handler = this.#handlerOf(step);
    const output = await this.#noted(
      async () =>
        (await handler?.apply(step.input, before, this.context(stamp, step.unit))) ?? null,
    );
    this.#outputs.set(step.id, output);
  }

  /** Reverts steps, the last first; what each revert said. */
  async revert(steps: readonly AppliedStep[], stamp: Stamp = this.#stamp): Promise<string[]> {
    const results: string[] = [];
    for (const { step, before } of steps.toReversed()) {
      if (step.undo !== undefined) continue;
      const handler = this.#handlerOf(step);
      const result = await this.#noted(async () =>
        handler?.revert?.(step.input, before, this.context(stamp, step.unit)),
      );
      results.push(result ?? "untouched");
    }
    return results;
  }

  /** A whole deploy: fence, stage, activate, retire. */
  async deploy(): Promise<{ readonly plan: TargetPlan; readonly steps: readonly AppliedStep[] }> {
    this.begin();
    const plan = await this.plan();
    await this.fence();
    const steps = [...(await this.apply(plan, "stage")), ...(await this.apply(plan, "activate"))];
    for (const step of plan.steps.filter(({ phase }) => phase === "retire")) {
      const handler = this.world.target.retires?.find(({ kind }) => kind === step.kind);
      await handler?.retire(step.input, this.context(this.#stamp, step.unit));
    }
    return { plan, steps };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection[Symbol.asyncDispose]();
    await this.world.dispose?.();
  }

  #handlerOf({ kind }: PlannedStep): Step<Json, Json, Json, AsyncDisposable> | undefined {
    return this.world.target.steps.find((step) => step.kind === kind);
  }

  #nextStamp(): Stamp {
    this.#epoch += 1;
    const run = `test-${String(this.#epoch).padStart(6, "0")}-00000000`;
    return { lineage: "0".repeat(32), epoch: this.#epoch, run };
  }

  async #noted<T>(call: () => Promise<T>): Promise<T> {
    try {
      const result = await call();
      if (result !== undefined) this.seen.push(result as Json);
      return result;
    } catch (error) {
      const leaves: readonly unknown[] = error instanceof AggregateError ? error.errors : [error];
      for (const leaf of leaves) if (isLockstepError(leaf)) this.codes.add(leaf.code);
      throw error;
    }
  }
}
