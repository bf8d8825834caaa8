import type { Step } from "@lockstep/plugin";
import { describe, expect, it } from "vitest";
import {
  describeOlderStep,
  type MemoryRef,
  memoryTarget,
  MemoryWorld,
  type OlderStep,
} from "../src/index.ts";
import type { MemoryInput } from "../src/memory/steps.ts";
import { olderStepClaims } from "../src/older-step-contract.ts";

/** What the first format of a pointer move was: names instead of releases with their content. */
type OldInput = { readonly unit: string; readonly to: string };
type OldBefore = { readonly name: string };
type Move = Step<MemoryInput, MemoryRef | null, null, AsyncDisposable>;
type OldMove = Step<OldInput, OldBefore, null, AsyncDisposable>;

const ONE = { release: "r1", content: "one" };
const TWO = { release: "r2", content: "two" };

/** Keeps what an earlier major journaled as `memory.activate/0` in reach of today's step. */
function olderMove(move: Move): OldMove {
  const today = ({ unit, to }: OldInput): MemoryInput => ({ unit, ref: refOf(to) });
  return {
    kind: "memory.activate/0",
    describe: (input) => move.describe(today(input)),
    inspect: async (input, ctx) => ({
      name: (await move.inspect(today(input), ctx))?.release ?? "",
    }),
    apply: (input, before, ctx) => move.apply(today(input), refOf(before.name), ctx),
    revert: async (input, before, ctx) =>
      (await move.revert?.(today(input), refOf(before.name), ctx)) ?? "untouched",
  };
}

function refOf(name: string): MemoryRef {
  return name === "r1" ? ONE : TWO;
}

function olderStep(change: (step: OldMove) => Partial<OldMove> = () => ({})): OlderStep {
  const world = new MemoryWorld(["web-1"]);
  const unit = world.unit("web-1");
  for (const ref of [ONE, TWO]) unit.releases[ref.release] = { ref, run: "earlier" };
  unit.live = ONE;
  const target = memoryTarget({ world, content: "two" });
  const move = target.steps.find(({ kind }) => kind === "memory.activate/1") as Move;
  const older = olderMove(move);
  return {
    target: { ...target, steps: [...target.steps, { ...older, ...change(older) }] },
    connection: { [Symbol.asyncDispose]: async () => {} },
    recorded: {
      kind: "memory.activate/0",
      input: { unit: "web-1", to: "r2" },
      before: { name: "r1" },
    },
    applied: async () => world.point("web-1", TWO),
    snapshot: async () => world.unit("web-1").live,
    foreignEdit: async () => world.edit("web-1", "fix"),
  };
}

describeOlderStep("memory.activate/0", async () => olderStep());

async function brokenClaims(world: () => OlderStep): Promise<string> {
  const broken: string[] = [];
  for (const { title, holds } of olderStepClaims) {
    await holds(world()).catch((error: Error) => broken.push(`${title}: ${error.message}`));
  }
  return broken.join("\n");
}

describe("the suite of older steps finds", () => {
  it("a format that nothing handles any more", async () => {
    const world = (): OlderStep => ({
      ...olderStep(),
      recorded: { kind: "memory.activate/9", input: null, before: null },
    });

    expect(await brokenClaims(world)).toMatch(/nothing handles memory.activate\/9 any more/);
  });

  it.each<[string, RegExp, (step: OldMove) => Partial<OldMove>]>([
    [
      "a revert that was dropped",
      /put back.*: revert\n.*\n.*nothing/,
      () => ({ revert: undefined }) as never,
    ],
    [
      "a revert that reads the format of today",
      /put back/,
      ({ revert }) => ({
        revert: async (input, before, ctx) =>
          revert?.(input, { name: (before as unknown as MemoryRef).release }, ctx) as never,
      }),
    ],
    [
      "a revert that claims more than it did",
      /never applied: revert of what was never applied/,
      () => ({ revert: async () => "restored" }),
    ],
    [
      "an apply that does not find its own result",
      /found to be done.*again/,
      () => ({ apply: () => Promise.reject(new Error("again")) }),
    ],
    [
      "a revert that does not compare",
      /leaves what somebody else changed alone/,
      ({ revert, apply }) => ({
        revert: async (input, before, ctx) => {
          const said = (await revert?.(input, before, ctx)) ?? "untouched";
          if (said !== "conflict") return said;
          await apply(input, before, ctx).catch(() => undefined);
          return "restored";
        },
      }),
    ],
  ])("%s", async (_, found, change) => {
    expect(await brokenClaims(() => olderStep(change))).toMatch(found);
  });
});
