import type { PlanContext, ReadContext, TargetContext, WriteContext } from "./context.ts";
import type { ErrorCatalogue } from "./errors.ts";
import type { Json } from "./json.ts";
import type { PlanRequest, TargetPlan } from "./plan.ts";
import type { Problem } from "./problems.ts";
import type { Live, Stamp } from "./release.ts";
import type { Check, Retire, Step } from "./step.ts";

/** Version of the contract in this package. The runner speaks this one and the one before. */
export const API_VERSION = 1;

/** Says what made an object, under a string key so that it works across copies of this package. */
export interface Brand {
  readonly api: typeof API_VERSION;
  /** Name of the npm package: `@lockstep/ssh`. */
  readonly plugin: string;
  /** Version of that package. */
  readonly version: string;
}

/** Something that `doctor` or `audit` found. */
export interface Finding {
  readonly level: "ok" | "warn" | "fail";
  /** One line: what was looked at and what was seen. */
  readonly text: string;
  /** What to do about it. */
  readonly fix?: string;
  readonly unit?: string;
}

/**
 * A configured place a release goes.
 *
 * A target has releases that never change once staged, and one small mutable pointer per unit that
 * decides what users get. Stage adds a release nobody sees, activate moves the pointer, revert moves it
 * back, retire drops old releases. Making a target touches nothing: no file, no socket.
 */
export interface Target<C extends AsyncDisposable = AsyncDisposable> {
  readonly "~lockstep": Brand;
  /** What this target claims, as URLs without secrets: `ssh://web-1:22/srv/shop`. At least one. */
  readonly places: readonly string[];
  readonly traits: {
    /**
     * `checked` or `compare` only if every write that users can see is refused after {@link fence} by a
     * newer run; one unconditional visible write means `none`, and then only lease and patience protect it.
     */
    readonly fencing: "checked" | "compare" | "none";
  };
  readonly steps: readonly Step<Json, Json, Json, C>[];
  readonly checks?: readonly Check<Json, C>[];
  readonly retires?: readonly Retire<Json, C>[];
  /** Codes this plugin may raise, for `lockstep explain`. */
  readonly errors?: ErrorCatalogue;
  /** What is wrong with the options; a target with problems is never connected. */
  readonly problems?: readonly Problem[];

  /**
   * Opens what the calls of one run share. Called once per run; disposed when the run ends.
   *
   * One unreachable unit must not fail it: units are reached when first needed, so that a run can
   * still put the others back.
   */
  connect(ctx: TargetContext): Promise<C>;

  /**
   * What serves now, one entry per unit in a fixed order, read from the target and nowhere else. Changes nothing.
   *
   * With `ctx.unit` only that unit is read.
   *
   * @throws {AggregateError} of one LockstepError with `unit` per unit that could not be read, after
   *   all were tried.
   */
  live(ctx: ReadContext<C>): Promise<readonly Live[]>;

  /**
   * What would be done, and why. Reads only; the same facts give the same bytes.
   *
   * Finds what would make the run fail early: missing permissions, a hostile source, too little space.
   */
  plan(request: PlanRequest, ctx: PlanContext<C>): Promise<TargetPlan>;

  /**
   * From now on this target refuses writes with an older stamp of the same lineage: those that users can see,
   * and those that remove what another run may have staged. May run twice.
   *
   * Creates what it needs to remember the stamp where there is none. Resolves once that is durable.
   * With `ctx.unit` only that unit is fenced.
   *
   * @throws {AggregateError} of per-unit errors, after all were tried; `FENCED` where a newer stamp is.
   */
  fence?(stamp: Stamp, ctx: WriteContext<C>): Promise<void>;

  /**
   * Asks as users would, again and again, from barrier to decision. Reported, never decides.
   *
   * Yields one result per request until `ctx.signal` aborts.
   */
  watch?(ctx: ReadContext<C>): AsyncIterable<{ readonly ok: boolean; readonly ms: number }>;

  /** Looks for what would hinder a run. Changes nothing. */
  doctor?(ctx: ReadContext<C>): AsyncIterable<Finding>;

  /**
   * Compares all that users get with what was deployed, file by file: `live` trusts the pointer. Changes nothing.
   *
   * What is missing or was changed is `fail`; what could not be compared is `warn`.
   */
  audit?(ctx: ReadContext<C>): AsyncIterable<Finding>;
}

/** Tells whether a value in a config was made by a target factory, of any contract version. */
export function isTarget(value: unknown): value is Target {
  return typeof value === "object" && value !== null && "~lockstep" in value && "places" in value;
}
