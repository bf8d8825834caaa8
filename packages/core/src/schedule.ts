import type { PlannedStep } from "@lockstep/plugin";
import { type Plan } from "./plan.ts";

/** A planned step and the target it belongs to. */
export interface Scheduled {
  readonly target: string;
  readonly step: PlannedStep;
}

/** Steps that run one after another: those of one unit, or those of a target that name no unit. */
export interface Lane {
  readonly target: string;
  readonly unit: string | undefined;
  readonly steps: readonly Scheduled[];
}

/** Lanes that run side by side; the next batch begins when all have ended. */
export interface Batch {
  readonly phase: PlannedStep["phase"];
  readonly lanes: readonly Lane[];
}

/** Name of a step that is unique in a run: `api/upload:web-1`. */
export function fullId({ target, step }: Scheduled): string {
  return `${target}/${step.id}`;
}

/**
 * The order in which a phase runs, from the plan alone, so that a recover finds the same one.
 *
 * Groups in turn; in a group, waves in ascending order; in a wave, units side by side and each in list
 * order, then the steps that name no unit.
 */
export function batchesOf(plan: Plan, phase: PlannedStep["phase"]): Batch[] {
  return plan.groups.flatMap((group) => {
    const scheduled = group.flatMap((target) =>
      (plan.targets[target]?.steps ?? [])
        .filter((step) => step.phase === phase)
        .map((step) => ({ target, step })),
    );
    const waveOf = ({ step }: Scheduled): number => step.wave ?? 0;
    const waves = [...new Set(scheduled.map(waveOf))].toSorted((a, b) => a - b);
    const within = (wave: number): Scheduled[] => scheduled.filter((one) => waveOf(one) === wave);
    return waves.flatMap((wave) => batchesOfWave(phase, within(wave)));
  });
}

function batchesOfWave(phase: PlannedStep["phase"], wave: readonly Scheduled[]): Batch[] {
  const withUnit = wave.filter(({ step }) => step.unit !== undefined);
  const without = wave.filter(({ step }) => step.unit === undefined);
  return [lanesOf(withUnit), lanesOf(without)]
    .filter((lanes) => lanes.length > 0)
    .map((lanes) => ({ phase, lanes }));
}

function lanesOf(steps: readonly Scheduled[]): Lane[] {
  const lanes = new Map<string, Scheduled[]>();
  for (const scheduled of steps) {
    const key = JSON.stringify([scheduled.target, scheduled.step.unit ?? null]);
    lanes.set(key, [...(lanes.get(key) ?? []), scheduled]);
  }
  return [...lanes.values()].flatMap((lane) => {
    const [first] = lane;
    return first === undefined
      ? []
      : [{ target: first.target, unit: first.step.unit, steps: lane }];
  });
}

/** The steps of some batches, in order. */
export function stepsOf(batches: readonly Batch[]): Scheduled[] {
  return batches.flatMap(({ lanes }) => lanes.flatMap((lane) => lane.steps));
}
