import type { Json, PlanContext, TargetPlan } from "@lockstep/plugin";
import { describe, expect, it } from "vitest";
import {
  type ContractWorld,
  describeStepContract,
  describeTargetContract,
  type MemoryRef,
  memoryTarget,
  type MemoryTargetOptions,
  MemoryWorld,
  testContext,
} from "../src/index.ts";
import { activateStep, guardOf, onceStep, stageStep } from "../src/memory/steps.ts";
import { type StepCase, stepClaims } from "../src/step-contract.ts";
import { targetClaims, tryTargetClaim } from "../src/target-contract.ts";
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

/** Changes a step; the world is there for what reaches around it. */
type StepMutation = (step: Activate, made: MemoryWorld) => Partial<Activate>;

function activateCase(
  change: StepMutation = () => ({}),
): StepCase<typeof input, MemoryRef | null, null, AsyncDisposable> {
  const made = world();
  const handler = activateStep(made, guardOf(made));
  return {
    handler: { ...handler, ...change(handler, made) },
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
    handler: stageStep(made, () => {}),
    connection,
    input,
    snapshot: async () => made.unit("web-1").releases,
    foreignEdit: "a release has a name of its own, which nobody else uses",
  };
});

type MemoryTarget = ReturnType<typeof memoryTarget>;

/** Changes a target; the world is there for what reaches around it. */
type Mutation = (target: MemoryTarget, made: MemoryWorld) => object;

function targetWorld(
  more: Partial<MemoryTargetOptions> = {},
  mutate: Mutation = () => ({}),
): ContractWorld {
  const made = new MemoryWorld(["web-1", "web-2"]);
  let content = "";
  const options = {
    world: made,
    ...more,
    get content() {
      return content;
    },
  };
  const target = memoryTarget(options);
  return {
    target: { ...target, ...mutate(target, made) },
    folder: "/",
    secrets: { TOKEN: "canary-5b1c" },
    build: async (version) => {
      content = version;
    },
    observe: async () => made.contents(),
    foreignEdit: async () => made.edit("web-1", "fix"),
  };
}

describeTargetContract("the memory target", async () => targetWorld());

describeTargetContract("the memory target with waves and a step that is left", async () =>
  targetWorld({
    waves: { "web-1": 2, "web-2": 1 },
    extra: [
      {
        id: "migrate",
        kind: "memory.once/1",
        phase: "activate",
        input: { unit: "web-1" },
        undo: "leave",
      },
    ],
  }),
);

describeTargetContract("the memory target that cannot refuse anybody", async () =>
  targetWorld({ fencing: "none" }),
);

describeStepContract("memory.once", async () => {
  const made = world();
  return {
    handler: onceStep(made),
    connection,
    input: { unit: "db" },
    undo: "leave",
    snapshot: async () => made.writes.includes("migrate db"),
    foreignEdit: "what it did is not looked at again",
  };
});

/** What the suite says of a broken step. */
async function brokenClaims(change: StepMutation): Promise<string> {
  const broken: string[] = [];
  for (const { title, holds } of stepClaims) {
    const failure = holds(activateCase(change));
    await failure.catch((error: Error) => broken.push(`${title}: ${error.message}`));
  }
  return broken.join("\n");
}

describe("the step contract finds", () => {
  it.each<[string, RegExp, StepMutation]>([
    ["a kind without a format", /is no kind/, () => ({ kind: "memory.activate" })],
    ["a description of two lines", /is not one line/, () => ({ describe: () => "point\nweb-1" })],
    ["a missing revert", /has no revert/, () => ({ revert: undefined }) as never],
    [
      "an inspect that writes",
      /inspect changed something/,
      ({ inspect, apply }) => ({
        inspect: async (i, c) => {
          const seen = await inspect(i, c);
          await apply(i, seen, c as never);
          return seen;
        },
      }),
    ],
    [
      "an inspect that tells the time",
      /the second inspect/,
      ({ inspect }) => {
        let tick = 0;
        return {
          inspect: async (i, c) => ({ ...(await inspect(i, c)), tick: (tick += 1) }) as never,
        };
      },
    ],
    [
      "a before that is no data",
      /before does not survive the journal/,
      ({ inspect }) => ({
        inspect: async (i, c) => ({ ...(await inspect(i, c)), at: new Date(0) }) as never,
      }),
    ],
    ["an apply that does nothing", /apply changed nothing/, () => ({ apply: async () => null })],
    [
      "an apply that fails the second time",
      /applied twice .*: again/,
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
    ],
    [
      "an apply that knows its own input only",
      /lost reply.*: stranger/,
      ({ apply }) => {
        const known = new WeakSet<object>();
        return {
          apply: async (i, b, c) => {
            if (b === null || known.has(b)) return null;
            const output = await apply(i, b, c).catch(() => undefined);
            if (output === undefined || i !== input) throw new Error("stranger");
            known.add(b);
            return output;
          },
        };
      },
    ],
    ["a revert that does nothing", /not as before/, () => ({ revert: async () => "restored" })],
    [
      "a revert that claims to have done nothing",
      /revert after apply/,
      ({ revert }) => ({
        revert: async (i, b, c) => {
          await revert?.(i, b, c);
          return "untouched";
        },
      }),
    ],
    [
      "a revert that claims to have done something",
      /revert without apply/,
      ({ revert }) => ({
        revert: async (i, b, c) => {
          const said = await revert?.(i, b, c);
          return said === "conflict" ? said : "restored";
        },
      }),
    ],
    [
      "an apply that does not compare",
      /apply over a foreign change/,
      ({ apply, inspect }) => ({ apply: async (i, _, c) => apply(i, await inspect(i, c), c) }),
    ],
    [
      "an apply that refuses after it wrote",
      /apply overwrote a foreign change/,
      ({ apply }, made) => ({
        apply: async (i, b, c) => {
          try {
            return await apply(i, b, c);
          } catch (error) {
            made.point("web-1", NEW);
            throw error;
          }
        },
      }),
    ],
    [
      "a revert that does not compare",
      /revert of a foreign change/,
      (_, made) => ({
        revert: async (__, b) => {
          const { live } = made.unit("web-1");
          if (live?.content === b?.content) return "untouched";
          made.point("web-1", b);
          return "restored";
        },
      }),
    ],
    [
      "a revert that says conflict after it wrote",
      /revert overwrote a foreign change/,
      ({ revert }, made) => ({
        revert: async (i, b, c) => {
          const said = (await revert?.(i, b, c)) ?? "untouched";
          if (said === "conflict") made.point("web-1", { release: "r9", content: "other" });
          return said;
        },
      }),
    ],
  ])("%s", async (_, finding, change) => {
    expect(await brokenClaims(change)).toMatch(finding);
  });
});

/** Every mutant is tried on a world that can show everything. */
const expectTried = {
  annotate: async (note: string) => {
    throw new Error(note);
  },
};

async function brokenTargetClaims(
  mutate: Mutation,
  more: Partial<MemoryTargetOptions>,
): Promise<string> {
  const broken: string[] = [];
  for (const claim of targetClaims) {
    const failure = tryTargetClaim(claim, targetWorld(more, mutate), expectTried);
    await failure.catch((error: Error) => broken.push(`${claim.title}: ${error.message}`));
  }
  return broken.join("\n");
}

type AnyStep = MemoryTarget["steps"][number];

/** The steps, with one of them changed. */
const withStep =
  (kind: string, change: (step: AnyStep, made: MemoryWorld) => Partial<AnyStep>): Mutation =>
  ({ steps }, made) => ({
    steps: steps.map((step) => (step.kind === kind ? { ...step, ...change(step, made) } : step)),
  });

/** The plan, changed after it was made. */
const withPlan =
  (change: (plan: TargetPlan, made: MemoryWorld) => object): Mutation =>
  ({ plan }, made) => ({
    plan: async (...words: Parameters<typeof plan>) => {
      const planned = await plan(...words);
      return { ...planned, ...change(planned, made) };
    },
  });

const STAGE = "memory.stage/1";
const ACTIVATE = "memory.activate/1";

const refOf = (stepInput: Json): MemoryRef => (stepInput as { readonly ref: MemoryRef }).ref;

describe("the target contract finds", () => {
  let tick = 0;

  it.each<[string, RegExp, Mutation, Partial<MemoryTargetOptions>?]>([
    ["members that do not exist", /unknown members/, () => ({ fense: () => {} })],
    ["a password in a place", /shows a password/, () => ({ places: ["ssh://root:x@host/"] })],
    ["a claim to fence without a fence", /has no fence/, () => ({ fence: undefined })],
    [
      "two handlers of one kind",
      /two handlers have one kind/,
      ({ steps }) => ({ steps: [...steps, ...steps] }),
    ],
    [
      "an error nobody explains",
      /not explained/,
      () => ({ errors: { MEMORY_FULL: { when: "It is full.", why: "", fix: "" } } }),
    ],
    [
      "a connect that writes",
      /connecting changed something/,
      ({ connect }, made) => ({
        connect: async (ctx: never) => {
          made.edit("web-1", "connected");
          return connect(ctx);
        },
      }),
    ],
    [
      "a live that writes",
      /looking changed what users get/,
      ({ live }, made) => ({
        live: async (ctx: never) => {
          const seen = await live(ctx);
          made.unit("web-1").live = { release: "r0", content: `looked ${(tick += 1)}` };
          return seen.map((unit) => ({ ...unit, ref: null }));
        },
      }),
    ],
    [
      "a plan that differs every time",
      /second plan differs/,
      withPlan(() => ({ basedOn: tick++ })),
    ],
    [
      "a plan that writes",
      /planning changed what users get/,
      withPlan((_, made) => {
        made.edit("web-2", "planned");
        return {};
      }),
    ],
    [
      "a plan made from a stamp",
      /a stamp is part of the plan/,
      withPlan((_, made) => ({ basedOn: made.unit("web-1").stamp?.epoch ?? 0 })),
    ],
    ["a plan that is no data", /JSON does not keep/, withPlan(() => ({ basedOn: new Date(0) }))],
    [
      "a plan with two steps of one id",
      /ids are not unique/,
      withPlan(({ steps }) => ({ steps: steps.map((step) => ({ ...step, id: "same" })) })),
    ],
    [
      "a step in a phase that is not its own",
      /nothing handles memory.prune\/1 in activate/,
      withPlan(({ steps }) => ({
        steps: steps.map((step) =>
          step.phase === "retire" ? { ...step, phase: "activate" } : step,
        ),
      })),
    ],
    [
      "a step without undo",
      /cannot be undone/,
      ({ steps }) => ({ steps: steps.map((step) => ({ ...step, revert: undefined })) }),
    ],
    [
      "a stage that users see",
      /users see what is only staged/,
      withStep(STAGE, (_, made) => ({
        apply: async (given) => {
          made.point("web-1", refOf(given));
          return null;
        },
      })),
    ],
    [
      "a stage that cannot be put back twice",
      /second revert saw a conflict/,
      withStep(STAGE, ({ revert }) => ({
        revert: async (i, b, c) =>
          (await revert?.(i, b, c)) === "restored" ? "restored" : "conflict",
      })),
    ],
    [
      "a staged release that is kept although it was put back",
      /left a release/,
      ({ steps, live }, made) => ({
        ...withStep(STAGE, () => ({ revert: async () => "restored" }))({ steps } as never, made),
        live: async (ctx: never) =>
          (await live(ctx)).map((unit) => ({
            ...unit,
            kept: Object.values(made.unit(unit.unit ?? "").releases).map(({ ref }) => ref),
          })),
      }),
    ],
    [
      "a plan that never ends",
      /a second plan has steps/,
      withPlan(({ steps }) => ({
        steps:
          steps.length > 0
            ? steps
            : [{ id: "x", kind: "memory.prune/1", phase: "retire", input: { unit: "web-1" } }],
      })),
    ],
    [
      "a live that says nothing is live",
      /live still names what was live before/,
      ({ live }, made) => ({
        live: async (ctx: never) =>
          (await live(ctx)).map((unit) => (made.writes.length > 0 ? { ...unit, ref: null } : unit)),
      }),
    ],
    [
      "outputs that are gone when nothing changes",
      /outputs of an empty plan/,
      withPlan(({ steps, outputs }) => ({ outputs: steps.length > 0 ? outputs : {} })),
    ],
    [
      "a check that writes",
      /a check changed what users get/,
      ({ checks = [] }, made) => ({
        checks: checks.map((check) => ({
          ...check,
          check: async () => {
            made.edit("web-1", "checked");
            return { status: "pass" };
          },
        })),
      }),
    ],
    [
      "a revert that does nothing",
      /users do not get what they got before/,
      withStep(ACTIVATE, () => ({ revert: async () => "restored" })),
    ],
    [
      "an apply that can be done once",
      /with the same output: again/,
      withStep(ACTIVATE, ({ apply }, made) => ({
        apply: async (i, b, c) => {
          const before = made.writes.length;
          const output = await apply(i, b, c);
          if (made.writes.length === before) throw new Error("again");
          return output;
        },
      })),
    ],
    [
      "an output that differs every time",
      /the second output/,
      withStep(STAGE, ({ apply }) => ({
        apply: async (i, b, c) => {
          await apply(i, b, c);
          return (tick += 1);
        },
      })),
    ],
    ["a retire that drops what was live before", /kept first/, () => ({}), { keep: 0 }],
    [
      "a live that keeps nothing",
      /it was kept first/,
      ({ live }) => ({
        live: async (ctx: never) => (await live(ctx)).map((unit) => ({ ...unit, kept: [] })),
      }),
    ],
    [
      "a return that deploys",
      /earlier release can be made live again/,
      ({ plan }) => ({
        plan: async (_: never, ctx: PlanContext<AsyncDisposable>) =>
          plan({ kind: "deploy", release: ctx.release }, ctx),
      }),
    ],
    ["a fence that does not hold", /apply of activate:web-1 by/, () => ({ fence: async () => {} })],
    [
      "an apply that looks at no stamp",
      /apply of activate:web-1 by an overtaken run/,
      withStep(ACTIVATE, (_, made) => ({ apply: activateStep(made, () => {}).apply })),
    ],
    [
      "a revert that looks at no stamp",
      /revert of activate:web-2 with an old stamp/,
      withStep(ACTIVATE, (_, made) => {
        const { revert } = activateStep(made, () => {});
        return revert === undefined ? {} : { revert };
      }),
    ],
    [
      "an apply that does not compare",
      /no apply says STEP_CONFLICT/,
      withStep(ACTIVATE, ({ apply }, made) => ({
        apply: async (i, _, c) => apply(i, made.unit(c.unit ?? "").live, c),
      })),
    ],
    [
      "a revert that does not compare",
      /no revert says conflict/,
      withStep(ACTIVATE, (_, made) => ({
        revert: async (i, b, { unit = "" }) => {
          made.point(unit, b as MemoryRef | null);
          return "restored";
        },
      })),
    ],
    [
      "a refusal that comes after the write",
      /overwrote it/,
      withStep(ACTIVATE, ({ apply }, made) => ({
        apply: async (i, b, c) => {
          try {
            return await apply(i, b, c);
          } catch (error) {
            made.point(c.unit ?? "", refOf(i));
            throw error;
          }
        },
      })),
    ],
    [
      "a deploy of what is there now instead of what was planned",
      /users do not get what was planned/,
      ({ steps, plan }, made) => {
        const now = async (
          given: Json,
          c: { readonly unit?: string | undefined },
        ): Promise<Json> => {
          const context = { ...testContext(connection), outputs: () => undefined };
          const current = await plan({ kind: "deploy", release: context.release }, context);
          const content = current.outputs?.["content"] ?? null;
          return { unit: c.unit, ref: { ...refOf(given), content } };
        };
        return withStep(ACTIVATE, ({ apply }) => ({
          apply: async (i, b, c) => apply(await now(i, c), b, c),
        }))({ steps } as never, made);
      },
    ],
    [
      "a secret in a line about a step",
      /the value of TOKEN is in/,
      withStep(STAGE, () => ({ describe: () => "send canary-5b1c" })),
    ],
  ])("%s", async (_, finding, mutate, more = {}) => {
    expect(await brokenTargetClaims(mutate, more)).toMatch(finding);
  });
});

describe("a contract suite", () => {
  it("says what a world cannot show, and why", async () => {
    const notes: string[] = [];
    const annotate = async (note: string): Promise<never> => notes.push(note) as never;
    const foreignEdit = "only the plugin has the key";
    for (const claim of targetClaims) {
      const closed = { ...targetWorld({ fencing: "none" }), foreignEdit };
      await tryTargetClaim(claim, closed, { annotate });
    }

    expect(notes).toEqual([
      expect.stringMatching(
        /^inconclusive: a run that was overtaken .*: nothing fences this target$/,
      ),
      expect.stringMatching(/^inconclusive: a process whose run .*: nothing fences this target$/),
      expect.stringMatching(/^inconclusive: apply never .*: only the plugin has the key$/),
      expect.stringMatching(/^inconclusive: revert never .*: only the plugin has the key$/),
    ]);
  });

  it("fails for a world that does not say why nobody can edit it", async () => {
    const { foreignEdit: _, ...silent } = targetWorld();
    const claim = targetClaims.find(({ title }) => title.startsWith("apply never overwrites"));

    await expect(tryTargetClaim(claim as never, silent, expectTried)).rejects.toThrow(
      "does not say why",
    );
  });

  it("disposes of its world when connecting fails", async () => {
    let disposed = 0;
    const unreachable = targetWorld({}, () => ({
      connect: () => Promise.reject(new Error("down")),
    }));
    const dispose = async (): Promise<void> => {
      disposed += 1;
    };

    await expect(TargetDriver.connect({ ...unreachable, dispose })).rejects.toThrow("down");
    expect(disposed).toBe(1);
  });
});
