import { canonicalJson, type Json, type Release, type TargetPlan } from "@lockstep/plugin";
import { digestOf } from "@lockstep/state";

/** What a run will do: plain data, without secrets, the same bytes for the same facts. */
export interface Plan {
  readonly version: 1;
  readonly kind: "deploy" | "rollback";
  readonly environment: string;
  readonly release: Release;
  /** Groups of targets in turn; only targets that take part. */
  readonly groups: readonly (readonly string[])[];
  readonly targets: Readonly<Record<string, PlannedFor>>;
  /** Id of the release that a rollback takes away. */
  readonly leaves?: string | undefined;
}

/** A target's part of a plan, and which plugin it was made by. */
export interface PlannedFor extends TargetPlan {
  readonly plugin: string;
  readonly version: string;
  readonly places: readonly string[];
  readonly fencing: "checked" | "compare" | "none";
}

/** True when no target changes: checks alone are no reason for a run. */
export function isEmpty(plan: Plan): boolean {
  return !Object.values(plan.targets).some(({ steps }) =>
    steps.some(({ phase }) => phase === "stage" || phase === "activate"),
  );
}

/** Digest over everything a plan says. */
export function planDigest(plan: Plan): string {
  return digestOf(canonicalJson(plan as unknown as Json));
}

/** What makes a plan stale when it differs: steps without estimates, what they were made from, and by what. */
export function planFacts(plan: Plan): string {
  const facts = Object.entries(plan.targets).map(([name, target]) => {
    const { steps, basedOn, plugin, version, places } = target;
    const exact = steps.map((step) => ({ ...step, bytes: undefined }));
    return [name, exact, basedOn, plugin, version, places];
  });
  return canonicalJson(facts as unknown as Json);
}
