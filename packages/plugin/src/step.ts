import type { ReadContext, WriteContext } from "./context.ts";
import type { Json } from "./json.ts";

/** What a revert found and did. */
export type Reverted =
  /** Our change was there and is undone. */
  | "restored"
  /** Our change was not there; nothing was written. */
  | "untouched"
  /** Somebody else's change is there; it was left alone. */
  | "conflict";

/**
 * One kind of change to a target.
 *
 * The runner calls `inspect`, makes its result durable in the journal, and only then calls `apply`; so
 * `revert` always has the state it must restore, even when the process died during `apply`.
 * All three must be safe to repeat, in this process or in a later one. `describeStepContract` in
 * `@lockstep/testkit` checks every promise made here.
 *
 * What must follow a pointer in both directions (a restart, a reload, a cache purge) belongs in the
 * same step as the pointer.
 */
export interface Step<Input extends Json, Before extends Json, Output extends Json, C> {
  /**
   * `plugin.verb/format`: `ssh.activate/1`. The number is the format of input and before; it is raised
   * when their meaning changes, and a plugin keeps `revert` for every format of its last major.
   */
  readonly kind: string;

  /** One line for the plan, imperative: `point /srv/shop/current at releases/20261121T101500Z-4f9c2d1a`. */
  describe(input: Input): string;

  /**
   * Reads what `apply` will change, so that `revert` can restore it. Changes nothing.
   *
   * Returns content only (where a link points, a digest), never epochs, ETags or times: what it
   * returns is compared with what is found later.
   */
  inspect(input: Input, ctx: ReadContext<C>): Promise<Before>;

  /**
   * Makes the change, where it finds `before` or its own result; resolves once it is durable.
   *
   * Applied a second time (a lost reply, a second process) it changes nothing and returns the same output.
   *
   * @throws {LockstepError} `STEP_CONFLICT` when it finds anything else, `FENCED` when the target has
   *   seen a newer stamp, `SOURCE_CHANGED` when the source is not what was planned; nothing is written then.
   */
  apply(input: Input, before: Before, ctx: WriteContext<C>): Promise<Output>;

  /**
   * Puts `before` back where our own change is found, and only there.
   *
   * Safe when `apply` never ran, ran half, ran twice, or somebody came after. A stage step removes only
   * what this run made and marked with its name; what is addressed by digest is left to retire.
   * Required unless every step of this kind is planned with `undo: "leave"` or `"never"`.
   *
   * @throws {LockstepError} `FENCED` when the target has seen a newer stamp; nothing is written then.
   */
  revert?(input: Input, before: Before, ctx: WriteContext<C>): Promise<Reverted>;
}

/** What a check saw. "Could not measure" is `inconclusive`, never `fail`. */
export interface CheckResult {
  readonly status: "pass" | "fail" | "inconclusive";
  /** What was wanted and what was found, one line each, with no secret in it. */
  readonly wanted?: string;
  readonly found?: string;
}

/** Looks at the target and judges; changes nothing. The runner repeats it as `PlannedStep.until` says. */
export interface Check<Input extends Json, C> {
  readonly kind: string;
  describe(input: Input): string;
  /** Resolves for every answer of the target; rejects only when the check itself is broken. */
  check(input: Input, ctx: ReadContext<C>): Promise<CheckResult>;
}

/**
 * Removes what is no longer needed. It cannot be undone, so it only ever runs after the commit.
 *
 * Never removes what is live, what was live before it, or what another tool made; may run twice.
 */
export interface Retire<Input extends Json, C> {
  readonly kind: string;
  describe(input: Input): string;
  retire(input: Input, ctx: WriteContext<C>): Promise<void>;
}
