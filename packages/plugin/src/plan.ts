import type { Json } from "./json.ts";
import type { Live, Release } from "./release.ts";

/** What a target is asked to plan. A rollback is a plan too. */
export type PlanRequest =
  | { readonly kind: "deploy"; readonly release: Release }
  /** Make these refs live again; a unit that is not named keeps what it has. */
  | { readonly kind: "return"; readonly refs: readonly Live[] };

/** One difference between what is live and what will be. For people and reports; never acted upon. */
export interface Change {
  readonly action: "add" | "change" | "remove";
  /** Path, object key, layer or tag. */
  readonly what: string;
  readonly reason: "absent" | "content" | "headers" | "mode" | "stale";
  readonly bytes?: number;
  readonly before?: Json;
  readonly after?: Json;
  readonly unit?: string;
}

/** How long a check is repeated: until `successes` passes in a row, at most until the deadline. */
export interface Until {
  /** Passes in a row, from 1. */
  readonly successes: number;
  readonly intervalMs: number;
  readonly deadlineMs: number;
}

/** One step of a plan: plain data that names its handler by kind. */
export interface PlannedStep {
  /** Unique within the target and the same whenever the same facts are planned: `upload:web-1`. */
  readonly id: string;
  readonly kind: string;
  readonly phase: "stage" | "activate" | "verify" | "retire";
  readonly input: Json;
  /** The part of the target it is about; units of a wave run side by side, each in list order. */
  readonly unit?: string;
  /** Waves of a phase run in ascending order; default 0. */
  readonly wave?: number;
  /**
   * `leave`: safe to keep when the run is put back (an expand-only migration). `never`: cannot be undone;
   * at most one in a run, last in activate. Default: undone by `revert`.
   */
  readonly undo?: "leave" | "never";
  /** For checks only. Without it a check is asked once. */
  readonly until?: Until;
  /** Milliseconds for one call of the step; default 600,000. */
  readonly timeoutMs?: number;
  /** Estimate of the bytes it will send; not part of what makes two plans equal. */
  readonly bytes?: number;
}

/** What one target would do. The same facts give the same bytes. */
export interface TargetPlan {
  readonly changes: readonly Change[];
  /** Number of files, objects or layers that stay as they are. */
  readonly unchanged: number;
  /** Empty when there is nothing to do. */
  readonly steps: readonly PlannedStep[];
  /** What the plan was made from. Compared again under the lease: when it differs, the plan is stale. */
  readonly basedOn: Json;
  /**
   * Values for the plans of other targets, given also when nothing changes. `digest` names the content: a
   * release that was proven in one environment is refused in another where this one differs.
   */
  readonly outputs?: Readonly<Record<string, Json>>;
  /** How many units may run side by side; whole number from 1, default 8. */
  readonly parallel?: number;
  /** One sentence: what puts this target back, or why nothing can. */
  readonly undo: string;
}

/** Builds a step of a plan whose input has the type its handler takes. */
export function planned<Input extends Json>(
  handler: { readonly kind: string; describe(input: Input): string },
  step: Omit<PlannedStep, "kind" | "input"> & { readonly input: Input },
): PlannedStep {
  return { ...step, kind: handler.kind };
}
