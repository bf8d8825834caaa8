import type { Json, PlannedStep, Release, Stamp, TargetPlan } from "@lockstep/plugin";

/** A step of a plan, with what it saw before. */
export interface SeenStep {
  readonly step: PlannedStep;
  readonly before: Json;
}

/** A whole deploy: its plan and all that it applied. */
export interface Deployed {
  readonly plan: TargetPlan;
  readonly steps: readonly SeenStep[];
}

/** The steps that a run which is put back reverts. */
export function undoable(steps: readonly SeenStep[]): SeenStep[] {
  return steps.filter(({ step }) => step.undo === undefined);
}

/** The stamp of the run of an epoch. */
export function stampOf(epoch: number): Stamp {
  const run = `test-${String(epoch).padStart(6, "0")}-00000000`;
  return { lineage: "0".repeat(32), epoch, run };
}

/** The release of a run. */
export function releaseOf({ epoch }: Stamp): Release {
  const time = `0000${String(epoch).padStart(2, "0")}`;
  const id = `20261121T${time}Z-${String(epoch).padStart(8, "0")}`;
  return { id, createdAt: "2026-11-21T00:00:00.000Z" };
}
