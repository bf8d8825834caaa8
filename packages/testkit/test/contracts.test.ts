import { describe, expect, it } from "vitest";
import {
  describeStepContract,
  describeTargetContract,
  memoryTarget,
  MemoryWorld,
  type TargetWorld,
} from "../src/index.ts";
import { activateStep, guardOf, stageStep } from "../src/memory/steps.ts";
import { type StepCase, stepClaims } from "../src/step-contract.ts";
import { targetClaims } from "../src/target-contract.ts";
import { TargetDriver } from "../src/target-driver.ts";

const OLD = { release: "r1", content: "one" };
const NEW = { release: "r2", content: "two" };

const input = { unit: "web-1", ref: NEW };

function world(): MemoryWorld {
  const made = new MemoryWorld(["web-1"]);
  made.unit("web-1").live = OLD;
  made.unit("web-1").releases["r1"] = { ref: OLD, run: "earlier" };
  return made;
}

const connection = { [Symbol.asyncDispose]: async () => {} };

type Activate = ReturnType<typeof activateStep>;

function activateCase(
  change: (step: Activate) => Partial<Activate> = () => ({}),
): StepCase<
  typeof input,
  Activate extends { inspect(...a: never[]): Promise<infer B> } ? B : never,
  null,
  AsyncDisposable
> {
  const made = world();
  const handler = activateStep(made, guardOf(made));
  return {
    handler: { ...handler, ...change(handler) },
    connection,
    input,
    snapshot: async () => made.unit("web-1").live,
    foreignEdit: async () => made.edit("web-1", "fix"),
  };
}

describeStepContract("memory.activate", async () => activateCase());

describeStepContract("memory.stage", async () => {
  const made = world();
  return {
    handler: stageStep(made),
    connection,
    input,
    snapshot: async () => made.unit("web-1").releases,
  };
});

function targetWorld(
  change: (world: MemoryWorld) => void = () => {},
  mutate: (target: ReturnType<typeof memoryTarget>) => object = () => ({}),
): TargetWorld {
  const made = new MemoryWorld(["web-1", "web-2"]);
  change(made);
  let content = "";
  const options = {
    world: made,
    get content() {
      return content;
    },
  };
  const target = memoryTarget(options);
  return {
    target: { ...target, ...mutate(target) },
    folder: "/",
    build: async (version) => {
      content = version;
    },
    observe: async () => made.contents(),
    foreignEdit: async () => made.edit("web-1", "fix"),
  };
}

describeTargetContract("the memory target", async () => targetWorld());

/** Titles of the claims that a broken step does not keep. */
async function brokenClaims(change: (step: Activate) => Partial<Activate>): Promise<string[]> {
  const broken: string[] = [];
  for (const { title, holds } of stepClaims) {
    await holds(activateCase(change) as never).catch(() => broken.push(title));
  }
  return broken;
}

describe("the step contract finds", () => {
  it.each<[string, (step: Activate) => Partial<Activate>, RegExp]>([
    [
      "an apply that does not compare",
      ({ apply }) => ({
        apply: (i, _, c) => apply(i, OLD, { ...c, stamp: c.stamp }).catch(() => null),
      }),
      /apply refuses/,
    ],
    [
      "a revert that does not compare",
      () => ({ revert: async () => "restored" }),
      /revert restores/,
    ],
    [
      "a revert that claims to have done nothing",
      ({ revert }) => ({
        revert: async (i, b, c) => {
          await revert?.(i, b, c);
          return "untouched";
        },
      }),
      /revert restores/,
    ],
    [
      "an apply that fails the second time",
      ({ apply }) => {
        let done = false;
        return {
          apply: async (i, b, c) => {
            if (done) throw new Error("again");
            done = true;
            return apply(i, b, c);
          },
        };
      },
      /applied twice/,
    ],
    [
      "an inspect that writes",
      ({ inspect, apply }) => ({
        inspect: async (i, c) => {
          const seen = await inspect(i, c);
          await apply(i, seen, c as never);
          return seen;
        },
      }),
      /inspect changes nothing/,
    ],
    [
      "an inspect that tells the time",
      ({ inspect }) => {
        let tick = 0;
        return {
          inspect: async (i, c) => ({ ...(await inspect(i, c)), tick: (tick += 1) }) as never,
        };
      },
      /inspect changes nothing/,
    ],
    ["a kind without a format", () => ({ kind: "memory.activate" }), /its kind/],
  ])("%s", async (_, change, title) => {
    expect((await brokenClaims(change)).join("\n")).toMatch(title);
  });
});

async function brokenTargetClaims(
  mutate: (target: ReturnType<typeof memoryTarget>) => object,
): Promise<string> {
  const broken: string[] = [];
  for (const { title, holds } of targetClaims) {
    const driver = await TargetDriver.connect(targetWorld(() => {}, mutate));
    await holds(driver).catch(() => broken.push(title));
  }
  return broken.join("\n");
}

describe("the target contract finds", () => {
  it.each<[string, (target: ReturnType<typeof memoryTarget>) => object, RegExp]>([
    ["members that do not exist", () => ({ fense: () => {} }), /unknown members/],
    [
      "a password in a place",
      () => ({ places: ["ssh://root:secret@host/"] }),
      /which places it claims/,
    ],
    ["a fence that does not hold", () => ({ fence: async () => {} }), /overtaken/],
    [
      "a plan that differs every time",
      ({ plan }) => {
        let tick = 0;
        return {
          plan: async (...words: Parameters<typeof plan>) => ({
            ...(await plan(...words)),
            basedOn: (tick += 1),
          }),
        };
      },
      /planning twice/,
    ],
    [
      "a plan that never ends",
      ({ plan }) => ({
        plan: async (request: never, ctx: never) => {
          const made = await plan(request, ctx);
          return made.steps.length > 0
            ? made
            : {
                ...made,
                steps: [
                  { id: "x", kind: "memory.prune/1", phase: "retire", input: { unit: "web-1" } },
                ],
              };
        },
      }),
      /second plan/,
    ],
    [
      "a live that lies",
      ({ live }) => ({
        live: async (ctx: never) => (await live(ctx)).map((unit) => ({ ...unit, ref: null })),
      }),
      /live names it/,
    ],
    [
      "steps that keep nothing",
      ({ live }) => ({
        live: async (ctx: never) => (await live(ctx)).map((unit) => ({ ...unit, kept: [] })),
      }),
      /earlier release/,
    ],
    [
      "a step without undo",
      ({ steps }) => ({ steps: steps.map((step) => ({ ...step, revert: undefined })) }),
      /can be undone/,
    ],
  ])("%s", async (_, mutate, title) => {
    expect(await brokenTargetClaims(mutate)).toMatch(title);
  });
});
