import {
  type CheckResult,
  type Json,
  type Live,
  type PlannedStep,
  type PlanRequest,
  type Release,
  type Stamp,
  type Step,
  type TargetPlan,
  type WriteContext,
} from "@lockstep/plugin";
import { throughJournal } from "./claims.ts";
import { testContext } from "./context.ts";
import { noted, surroundingsOf, type TargetWorld } from "./target-world.ts";
import { releaseOf, type Deployed, type SeenStep, stampOf, undoable } from "./test-run.ts";

type Phase = PlannedStep["phase"];
type AnyStep = Step<Json, Json, Json, AsyncDisposable>;

/** Drives a target through its phases as the runner does, without journal and lease. */
export class TargetDriver implements AsyncDisposable {
  readonly world: TargetWorld;
  readonly connection: AsyncDisposable;
  /** What users got before anybody connected. */
  readonly untouched: unknown;
  /** All that was ever planned, returned or said, to be searched for secrets. */
  readonly seen: unknown[] = [];
  /** Of the calls from now on; absent: they are never told to stop. */
  signal: AbortSignal | undefined;
  #epoch = 0;
  #stamp: Stamp;
  #release: Release;
  #outputs: Map<string, Json> = new Map();

  private constructor(world: TargetWorld, connection: AsyncDisposable, untouched: unknown) {
    this.world = world;
    this.connection = connection;
    this.untouched = untouched;
    this.#stamp = this.#nextStamp();
    this.#release = releaseOf(this.#stamp);
  }

  static async connect(world: TargetWorld): Promise<TargetDriver> {
    try {
      const untouched = throughJournal(await world.observe());
      const connection = await world.target.connect(testContext(undefined, surroundingsOf(world)));
      return new TargetDriver(world, connection, untouched);
    } catch (error) {
      await world.dispose?.();
      throw error;
    }
  }

  /** The release of the run that was begun last. */
  get release(): Release {
    return this.#release;
  }

  /** Begins a new run: the next epoch, the next release unless an earlier one is to become live again. */
  begin(release?: Release): Stamp {
    this.#stamp = this.#nextStamp();
    this.#release = release ?? releaseOf(this.#stamp);
    this.#outputs = new Map();
    return this.#stamp;
  }

  /** Takes up a run that another process began. */
  take({ stamp, release }: { readonly stamp: Stamp; readonly release: Release }): void {
    this.#stamp = stamp;
    this.#release = release;
    this.#epoch = stamp.epoch;
  }

  /** Another run takes over: it fences the target. Calls go on as before unless they name its stamp. */
  async overtake(): Promise<Stamp> {
    const stamp = this.#nextStamp();
    await this.fence(stamp);
    return stamp;
  }

  /** Another process recovers this run: as {@link overtake}, but under the name of the run. */
  async recover(): Promise<Stamp> {
    const stamp = { ...this.#nextStamp(), run: this.#stamp.run };
    await this.fence(stamp);
    return stamp;
  }

  live(): Promise<readonly Live[]> {
    return noted(this.seen, () => this.world.target.live(this.#context()));
  }

  /** What is live, without stamps and kept releases. */
  async refs(): Promise<Json> {
    return (await this.live()).map(({ unit, ref }) => [unit ?? null, ref]);
  }

  /** What is live and kept, without stamps. */
  async releases(): Promise<Json> {
    return (await this.live()).map(({ unit, ref, kept }) => [unit ?? null, ref, kept]);
  }

  plan(refs?: readonly Live[], connection: AsyncDisposable = this.connection): Promise<TargetPlan> {
    const request: PlanRequest =
      refs === undefined ? { kind: "deploy", release: this.#release } : { kind: "return", refs };
    const context = { ...this.#context(), connection, outputs: () => undefined };
    return noted(this.seen, () => this.world.target.plan(request, context));
  }

  /** Plans over a connection of its own, as a later process does. */
  async planElsewhere(): Promise<TargetPlan> {
    const { target } = this.world;
    const context = testContext(undefined, surroundingsOf(this.world));
    await using connection = await target.connect(context);
    return await this.plan(undefined, connection);
  }

  async fence(stamp: Stamp = this.#stamp): Promise<void> {
    await noted(this.seen, async () => this.world.target.fence?.(stamp, this.#context(stamp)));
  }

  /** Applies the steps of a phase, wave after wave; what they saw comes back. */
  async apply(plan: TargetPlan, phase: "stage" | "activate"): Promise<SeenStep[]> {
    if (phase === "activate") {
      const seen = await this.inspect(plan, phase);
      for (const step of seen) await this.applyOne(step);
      return seen;
    }
    const seen: SeenStep[] = [];
    for (const step of this.#stepsOf(plan, phase)) {
      const found = await this.#inspectOne(step);
      seen.push(found);
      await this.applyOne(found);
    }
    return seen;
  }

  /** Stages and activates. */
  async applyAll(plan: TargetPlan): Promise<SeenStep[]> {
    return [...(await this.apply(plan, "stage")), ...(await this.apply(plan, "activate"))];
  }

  /** What the steps of a phase see; checks are left out. */
  async inspect(plan: TargetPlan, phase: Phase): Promise<SeenStep[]> {
    const seen: SeenStep[] = [];
    for (const step of this.#stepsOf(plan, phase)) seen.push(await this.#inspectOne(step));
    return seen;
  }

  async applyOne({ step, before }: SeenStep, stamp: Stamp = this.#stamp): Promise<Json> {
    const handler = this.#handlerOf(step);
    const output = await noted(
      this.seen,
      async () =>
        (await handler?.apply(step.input, before, this.#context(stamp, step.unit))) ?? null,
    );
    this.#outputs.set(step.id, output);
    return output;
  }

  /** Reverts steps, the last first; what each revert said. Steps that are left are left out. */
  async revert(steps: readonly SeenStep[], stamp: Stamp = this.#stamp): Promise<string[]> {
    const results: string[] = [];
    for (const { step, before } of undoable(steps).toReversed()) {
      const handler = this.#handlerOf(step);
      const result = await noted(this.seen, async () =>
        handler?.revert?.(step.input, before, this.#context(stamp, step.unit)),
      );
      results.push(result ?? "untouched");
    }
    return results;
  }

  /** Asks every check of a plan once. */
  async check(plan: TargetPlan): Promise<CheckResult[]> {
    const results: CheckResult[] = [];
    for (const step of plan.steps) {
      const handler = this.world.target.checks?.find(({ kind }) => kind === step.kind);
      if (handler === undefined) continue;
      this.seen.push(handler.describe(step.input));
      const context = this.#context(this.#stamp, step.unit);
      results.push(await noted(this.seen, () => handler.check(step.input, context)));
    }
    return results;
  }

  async retire(plan: TargetPlan): Promise<void> {
    for (const step of plan.steps.filter(({ phase }) => phase === "retire")) {
      const handler = this.world.target.retires?.find(({ kind }) => kind === step.kind);
      if (handler === undefined) continue;
      this.seen.push(handler.describe(step.input));
      const context = this.#context(this.#stamp, step.unit);
      await noted(this.seen, () => handler.retire(step.input, context));
    }
  }

  /** A run of its own: plan, fence, stage, activate, retire. */
  async deploy(): Promise<Deployed> {
    this.begin();
    const plan = await this.plan();
    await this.fence();
    const steps = await this.applyAll(plan);
    await this.retire(plan);
    return { plan, steps };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.connection[Symbol.asyncDispose]();
    } finally {
      await this.world.dispose?.();
    }
  }

  #context(stamp: Stamp = this.#stamp, unit?: string): WriteContext<AsyncDisposable> {
    return testContext(this.connection, {
      ...surroundingsOf(this.world),
      stamp,
      run: this.#stamp.run,
      release: this.#release,
      output: (step) => this.#outputs.get(step),
      ...(unit === undefined ? {} : { unit }),
      ...(this.signal === undefined ? {} : { signal: this.signal }),
    });
  }

  #stepsOf({ steps }: TargetPlan, phase: Phase): PlannedStep[] {
    return steps
      .filter((step) => step.phase === phase && this.#handlerOf(step) !== undefined)
      .toSorted((left, right) => (left.wave ?? 0) - (right.wave ?? 0));
  }

  async #inspectOne(step: PlannedStep): Promise<SeenStep> {
    const handler = this.#handlerOf(step);
    if (handler === undefined) throw new Error(`There is no handler for ${step.kind}.`);
    this.seen.push(handler.describe(step.input));
    const context = this.#context(this.#stamp, step.unit);
    const before = await noted(this.seen, () => handler.inspect(step.input, context));
    return { step, before: throughJournal(before) };
  }

  #handlerOf({ kind }: PlannedStep): AnyStep | undefined {
    return this.world.target.steps.find((step) => step.kind === kind);
  }

  #nextStamp(): Stamp {
    this.#epoch += 1;
    return stampOf(this.#epoch);
  }
}
