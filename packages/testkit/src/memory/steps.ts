import {
  type Check,
  fenced,
  type Retire,
  type Stamp,
  type Step,
  stepConflict,
} from "@lockstep/plugin";
import type { MemoryRef, MemoryWorld } from "./world.ts";

/** Which release goes to which unit. */
export type MemoryInput = { readonly unit: string; readonly ref: MemoryRef };

/** The unit a check or a retire is about. */
export type MemoryUnitInput = { readonly unit: string };

type Nothing = AsyncDisposable;

/** Refuses a stamp that is older than the one of the unit. */
export type Guard = (unit: string, stamp: Stamp) => void;

/** Puts a release beside the live one, marked with the run. */
export function stageStep(
  world: MemoryWorld,
  guard: Guard,
): Step<MemoryInput, null, null, Nothing> {
  const kind = "memory.stage/1";
  return {
    kind,
    describe: ({ unit, ref }) => `stage ${ref.content} on ${unit}`,
    inspect: ({ unit }) => world.call(`inspect ${kind} ${unit}`, () => null),
    apply: ({ unit, ref }, _, { run, stamp }) =>
      world.call(`apply ${kind} ${unit}`, () => {
        guard(unit, stamp);
        const { releases } = world.unit(unit);
        if (releases[ref.release] !== undefined) return null; // an earlier try whose reply was lost
        releases[ref.release] = { ref, run };
        world.writes.push(`stage ${unit} ${ref.content}`);
        return null;
      }),
    revert: ({ unit, ref }, _, { run, stamp }) =>
      world.call(`revert ${kind} ${unit}`, () => {
        guard(unit, stamp);
        const { releases, live } = world.unit(unit);
        if (releases[ref.release]?.run !== run || live?.release === ref.release) return "untouched";
        delete releases[ref.release];
        world.writes.push(`unstage ${unit} ${ref.content}`);
        return "restored";
      }),
  };
}

/** Points a unit at a staged release, where it finds what it saw. */
export function activateStep(
  world: MemoryWorld,
  guard: Guard,
): Step<MemoryInput, MemoryRef | null, null, Nothing> {
  const kind = "memory.activate/1";
  return {
    kind,
    describe: ({ unit, ref }) => `point ${unit} at ${ref.content}`,
    inspect: ({ unit }) => world.call(`inspect ${kind} ${unit}`, () => world.unit(unit).live),
    apply: ({ unit, ref }, before, { stamp }) =>
      world.call(`apply ${kind} ${unit}`, () => {
        guard(unit, stamp);
        const { live } = world.unit(unit);
        if (isSame(live, ref)) return null; // an earlier try whose reply was lost
        if (!isSame(live, before)) {
          throw stepConflict(unit, {
            wanted: before?.content ?? null,
            found: live?.content ?? null,
          });
        }
        world.point(unit, ref);
        return null;
      }),
    revert: ({ unit, ref }, before, { stamp }) =>
      world.call(`revert ${kind} ${unit}`, () => {
        guard(unit, stamp);
        const { live } = world.unit(unit);
        if (isSame(live, before)) return "untouched";
        if (!isSame(live, ref)) return "conflict"; // somebody came after us: theirs stays
        world.point(unit, before);
        return "restored";
      }),
  };
}

/** Does something that cannot be undone; tolerates being done twice. */
export function onceStep(world: MemoryWorld): Step<MemoryUnitInput, null, null, Nothing> {
  const kind = "memory.once/1";
  return {
    kind,
    describe: ({ unit }) => `migrate ${unit}`,
    inspect: async () => null,
    apply: ({ unit }) =>
      world.call(`apply ${kind} ${unit}`, () => {
        world.writes.push(`migrate ${unit}`);
        return null;
      }),
  };
}

/** Asks the world what it thinks of a unit. */
export function memoryCheck(world: MemoryWorld): Check<MemoryUnitInput, Nothing> {
  const kind = "memory.check/1";
  return {
    kind,
    describe: ({ unit }) => `ask ${unit}`,
    check: ({ unit }) =>
      world.call(`check ${kind} ${unit}`, () => world.answer(unit, world.unit(unit).live)),
  };
}

/** Drops all releases but the live one and the `keep` that were live last. */
export function pruneRetire(
  world: MemoryWorld,
  keep: number,
  guard: Guard,
): Retire<MemoryUnitInput, Nothing> {
  const kind = "memory.prune/1";
  return {
    kind,
    describe: ({ unit }) => `keep ${keep} releases on ${unit}`,
    retire: ({ unit }, { stamp }) =>
      world.call(`retire ${kind} ${unit}`, () => {
        guard(unit, stamp); // what a newer run has staged is neither live nor past
        const { live, past, releases } = world.unit(unit);
        past.splice(keep);
        const kept = new Set([live, ...past].map((ref) => ref?.release));
        for (const name of Object.keys(releases)) if (!kept.has(name)) delete releases[name];
        world.writes.push(`prune ${unit}`);
      }),
  };
}

/** Refuses a run that is older than the stamp of the unit. */
export function guardOf(world: MemoryWorld): Guard {
  return (unit, stamp) => {
    const found = world.unit(unit).stamp;
    if (found === undefined || found.lineage !== stamp.lineage || found.epoch <= stamp.epoch)
      return;
    throw fenced(`memory://${unit}`, { ours: stamp.epoch, found: found.epoch });
  };
}

function isSame(left: MemoryRef | null, right: MemoryRef | null): boolean {
  return left?.release === right?.release && left?.content === right?.content;
}
