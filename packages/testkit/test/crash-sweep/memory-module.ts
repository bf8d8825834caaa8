import { mkdir, rmdir } from "node:fs/promises";
import process from "node:process";
import type { Step, Target } from "@lockstep/plugin";
import { type CrashModule, type MemoryRef, memoryTarget, MemoryWorld } from "../../src/index.ts";
import type { MemoryInput } from "../../src/memory/steps.ts";

/** Ways to break the pointer move that show only when a process dies, and another takes over. */
export const MUTANTS = [
  "in two moves",
  "undone from memory",
  "applied only once",
  "told with its secret",
] as const;

export type Way = "whole" | "behind a lock" | (typeof MUTANTS)[number];

/** What the test and the processes that are killed know of a world. */
export type Made = { readonly file: string; readonly way: Way };

type Activate = Step<MemoryInput, MemoryRef | null, null, AsyncDisposable>;

/** A memory target whose world is a file; the test changes `next.content`. */
export function openTarget(
  { file, way }: Made,
  next: { content: string },
): { readonly target: Target; readonly world: MemoryWorld } {
  const world = new MemoryWorld(["web-1"], file);
  const options = {
    world,
    get content() {
      return next.content;
    },
  };
  const target = memoryTarget(options);
  const steps = target.steps.map((step) =>
    step.kind === "memory.activate/1"
      ? { ...step, ...BROKEN[way](step as unknown as Activate, world) }
      : step,
  );
  const fence = way === "behind a lock" ? { fence: lockedFence(target, file) } : {};
  return { target: { ...target, steps, ...fence }, world };
}

/** Fences while it holds a lock, which nobody takes away when it dies. */
function lockedFence({ fence }: Target, file: string): NonNullable<Target["fence"]> {
  return async (stamp, ctx) => {
    const lock = `${file}.lock`;
    await mkdir(lock);
    await fence?.(stamp, ctx);
    await rmdir(lock);
  };
}

const BROKEN: Readonly<Record<Way, (step: Activate, world: MemoryWorld) => Partial<Activate>>> = {
  whole: () => ({}),
  "behind a lock": () => ({}),
  "told with its secret": (step) => ({
    async apply(input, before, ctx) {
      process.stderr.write(`using ${ctx.env["TOKEN"]}\n`);
      return step.apply(input, before, ctx);
    },
  }),
  "in two moves": (step, world) => ({
    async apply(input, before, ctx) {
      const { live } = world.unit(input.unit);
      if (live?.release !== input.ref.release) {
        await world.call("unlink", () => world.point(input.unit, null));
        await world.call("link", () => world.point(input.unit, before));
      }
      return step.apply(input, before, ctx);
    },
  }),
  "undone from memory": (step) => {
    const done = new Set<string>();
    return {
      async apply(input, before, ctx) {
        done.add(input.ref.release);
        return step.apply(input, before, ctx);
      },
      revert: async (input, before, ctx) =>
        done.has(input.ref.release)
          ? ((await step.revert?.(input, before, ctx)) ?? "untouched")
          : "untouched",
    };
  },
  "applied only once": (step, world) => ({
    async apply(input, before, ctx) {
      const { live } = world.unit(input.unit);
      if (live?.release === input.ref.release) throw new Error("it is applied already");
      return step.apply(input, before, ctx);
    },
  }),
};

/** The same target in any process. */
const open: CrashModule = async (state) => {
  const { target } = openTarget(state as Made, { content: "" });
  return { target, folder: "/" };
};

// The suite imports the module by its address and calls what it exports by default.
// oxlint-disable-next-line import/no-default-export
export default open;
