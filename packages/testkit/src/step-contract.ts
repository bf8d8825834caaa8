import type { Json, PlannedStep, Step, WriteContext } from "@lockstep/plugin";
import { describe, it } from "vitest";
import {
  type Claim,
  CLAIM_TIMEOUT_MS,
  editByHand,
  type ForeignEdit,
  isPlain,
  isSame,
  must,
  mustEqual,
  mustFail,
  throughJournal,
  tryClaim,
  withoutForeignEdit,
} from "./claims.ts";
import { testContext } from "./context.ts";

/** A step and a small world in which applying it changes something. */
export interface StepCase<I extends Json, B extends Json, O extends Json, C> {
  readonly handler: Step<I, B, O, C>;
  readonly connection: C;
  readonly input: I;
  /** As the step is planned. Without it the step must have a `revert`. */
  readonly undo?: NonNullable<PlannedStep["undo"]>;
  /** What the calls find in their context, where the default is not enough. */
  readonly context?: Partial<WriteContext<C>>;
  /** Everything that users and later runs can see of what the step changes. */
  snapshot(): Promise<unknown>;
  /** Somebody else changes what the step changes, to a value of their own; or one line why nobody can. */
  readonly foreignEdit: ForeignEdit;
  dispose?(): Promise<void>;
}

/** Registers one test for each promise of a step; `make` builds a fresh case for every one. */
export function describeStepContract<I extends Json, B extends Json, O extends Json, C>(
  name: string,
  make: () => Promise<StepCase<I, B, O, C>>,
): void {
  describe(`${name} keeps the step contract:`, () => {
    for (const claim of stepClaims) {
      it(claim.title, { timeout: CLAIM_TIMEOUT_MS }, async (test) => {
        const world = await make();
        try {
          await tryClaim<AnyCase>(claim, world, test);
        } finally {
          await world.dispose?.();
        }
      });
    }
  });
}

/** A case whose types the claims do not care about. */
type AnyCase = StepCase<Json, Json, Json, unknown>;

/** The promises of {@link Step}, one by one. */
export const stepClaims: readonly Claim<AnyCase>[] = [
  {
    title: "its kind has a format number, and its description is one line",
    async holds({ handler, input }) {
      const { kind } = handler;
      must(/^[a-z0-9-]+\.[a-z-]+\/[1-9][0-9]*$/.test(kind), `${kind} is no kind`);
      const line = handler.describe(input);
      must(/^\S[^\r\n]*$/.test(line), `${JSON.stringify(line)} is not one line`);
    },
  },
  {
    title: "it has a revert, unless it is planned to be left or cannot be undone",
    async holds({ handler, undo }) {
      must(handler.revert !== undefined || undo !== undefined, `${handler.kind} has no revert`);
    },
  },
  {
    title: "inspect changes nothing and sees the same twice",
    async holds(world) {
      const seen = await look(world);
      const ctx = contextOf(world);
      const before = await world.handler.inspect(world.input, ctx);
      mustEqual(await look(world), seen, "inspect changed something");
      mustEqual(await world.handler.inspect(world.input, ctx), before, "the second inspect");
    },
  },
  {
    title: "input, before and output survive the journal",
    async holds(world) {
      const ctx = contextOf(world);
      const before = await world.handler.inspect(world.input, ctx);
      const output = await world.handler.apply(world.input, before, ctx);
      for (const [name, value] of Object.entries({ input: world.input, before, output })) {
        must(isPlain(value), `${name} does not survive the journal`);
      }
    },
  },
  {
    title:
      "apply changes something, and applied twice it changes nothing more and returns the same",
    async holds(world) {
      const start = await look(world);
      const { before, output, ctx } = await applied(world);
      const once = await look(world);
      must(!isSame(once, start), "apply changed nothing");
      mustEqual(await world.handler.apply(world.input, before, ctx), output, "the second output");
      mustEqual(await look(world), once, "the second apply changed something");
    },
  },
  {
    title: "apply survives a lost reply, in a later process with what the journal holds",
    async holds(world) {
      const { before, output, saved } = await applied(world);
      const once = await look(world);
      const later = contextOf(world, { last: saved.at(-1) });
      const journaled = [throughJournal(world.input), throughJournal(before)] as const;
      const again = await world.handler.apply(...journaled, later);
      mustEqual(again, output, "the later output");
      mustEqual(await look(world), once, "the later apply changed something");
    },
  },
  {
    title: "revert restores what inspect saw, also after a second apply, and may be repeated",
    untried: withoutRevert,
    async holds(world) {
      const start = await look(world);
      for (const applies of [1, 2]) {
        const { before, ctx } = await applied(world, applies);
        mustEqual(await revert(world, before, ctx), "restored", "revert after apply");
        mustEqual(await look(world), start, `not as before ${applies} applies`);
        mustEqual(await revert(world, before, ctx), "untouched", "the second revert");
        mustEqual(await look(world), start, "the second revert changed something");
      }
    },
  },
  {
    title: "revert without apply changes nothing",
    untried: withoutRevert,
    async holds(world) {
      const start = await look(world);
      const ctx = contextOf(world);
      const before = throughJournal(await world.handler.inspect(world.input, ctx));
      mustEqual(await revert(world, before, ctx), "untouched", "revert without apply");
      mustEqual(await look(world), start, "revert without apply changed something");
    },
  },
  {
    title: "apply refuses what somebody else changed and writes nothing",
    untried: withoutForeignEdit,
    async holds(world) {
      const ctx = contextOf(world);
      const before = throughJournal(await world.handler.inspect(world.input, ctx));
      await editByHand(world);
      const edited = await look(world);
      const apply = (): Promise<Json> => world.handler.apply(world.input, before, ctx);
      await mustFail("STEP_CONFLICT", apply, "apply over a foreign change");
      mustEqual(await look(world), edited, "apply overwrote a foreign change");
    },
  },
  {
    title: "revert leaves what somebody else changed alone and says so, however often",
    untried: (world) => withoutForeignEdit(world) ?? withoutRevert(world),
    async holds(world) {
      const { before, ctx } = await applied(world);
      await editByHand(world);
      const edited = await look(world);
      mustEqual(await revert(world, before, ctx), "conflict", "revert of a foreign change");
      mustEqual(await revert(world, before, ctx), "conflict", "the second revert");
      mustEqual(await look(world), edited, "revert overwrote a foreign change");
    },
  },
];

/** Only where the case says so: a revert that is just missing fails a claim of its own. */
function withoutRevert({ handler, undo }: AnyCase): string | undefined {
  return handler.revert === undefined && undo !== undefined ? "the step has no revert" : undefined;
}

interface Applied {
  /** As a later process reads it. */
  readonly before: Json;
  readonly output: Json;
  readonly ctx: WriteContext<unknown>;
  /** Checkpoints, in the order in which they were saved. */
  readonly saved: readonly Json[];
}

async function applied(world: AnyCase, applies = 1): Promise<Applied> {
  const saved: Json[] = [];
  const ctx = contextOf(world, { saved });
  const before = throughJournal(await world.handler.inspect(world.input, ctx));
  let output: Json = null;
  for (let done = 0; done < applies; done += 1) {
    output = await world.handler.apply(world.input, before, ctx);
  }
  return { before, output, ctx, saved };
}

async function revert(
  { handler, input }: AnyCase,
  before: Json,
  ctx: WriteContext<unknown>,
): Promise<unknown> {
  return handler.revert?.(input, before, ctx);
}

function contextOf(
  { connection, context }: AnyCase,
  { last, saved = [] }: { readonly last?: Json | undefined; readonly saved?: Json[] } = {},
): WriteContext<unknown> {
  const save = async (value: Json): Promise<void> => {
    saved.push(throughJournal(value));
  };
  return testContext<unknown>(connection, { checkpoint: { last, save }, ...context });
}

/** A copy: what a case returns may be the very object that the step changes later. */
async function look(world: AnyCase): Promise<unknown> {
  return throughJournal(await world.snapshot());
}
