import type { Json, Reverted, Step, Target, WriteContext } from "@lockstep/plugin";
import { describe, it } from "vitest";
import {
  type Claim,
  CLAIM_TIMEOUT_MS,
  editByHand,
  type ForeignEdit,
  must,
  mustEqual,
  throughJournal,
  tryClaim,
  withoutForeignEdit,
} from "./claims.ts";
import { testContext } from "./context.ts";

/** A step that an older version of a plugin journaled, and today's target that must put it back. */
export interface OlderStep {
  readonly target: Target;
  readonly connection: AsyncDisposable;
  /** As the journal of that version holds it. */
  readonly recorded: { readonly kind: string; readonly input: Json; readonly before: Json };
  /** What the calls find in their context, where the default is not enough. */
  readonly context?: Partial<WriteContext<AsyncDisposable>>;
  /** Leaves the world as the `apply` of that version left it. */
  applied(): Promise<void>;
  /** Everything that users and later runs can see of what the step changes. */
  snapshot(): Promise<unknown>;
  /** Somebody else changes what the step changed, to a value of their own; or one line why nobody can. */
  readonly foreignEdit: ForeignEdit;
  dispose?(): Promise<void>;
}

/**
 * Registers one test for each promise about a step in an older format; `make` builds a fresh world for every one, as
 * it was before the step.
 *
 * Record steps with each release, and never again: a run that was killed before an upgrade is recovered after it.
 */
export function describeOlderStep(name: string, make: () => Promise<OlderStep>): void {
  describe(`${name}, as an older version journaled it,`, () => {
    for (const claim of olderStepClaims) {
      it(claim.title, { timeout: CLAIM_TIMEOUT_MS }, async (test) => {
        const world = await make();
        try {
          await tryClaim(claim, world, test);
        } finally {
          await world.dispose?.();
        }
      });
    }
  });
}

/** The promises about steps in an older format, one by one. */
export const olderStepClaims: readonly Claim<OlderStep>[] = [
  {
    title: "is described in one line",
    async holds(world) {
      const line = handlerOf(world).describe(world.recorded.input);
      must(/^\S[^\r\n]*$/.test(line), `${JSON.stringify(line)} is not one line`);
    },
  },
  {
    title: "is untouched when it was never applied",
    async holds(world) {
      const start = await look(world);
      mustEqual(await revert(world), "untouched", "revert of what was never applied");
      mustEqual(await look(world), start, "revert of what was never applied changed something");
    },
  },
  {
    title: "is put back, once and for all",
    async holds(world) {
      const start = await look(world);
      await world.applied();
      must(
        JSON.stringify(await look(world)) !== JSON.stringify(start),
        "applied() changed nothing",
      );
      mustEqual(await revert(world), "restored", "revert");
      mustEqual(await look(world), start, "it is not as before");
      mustEqual(await revert(world), "untouched", "the second revert");
      mustEqual(await look(world), start, "the second revert changed something");
    },
  },
  {
    title: "is found to be done when it is applied again",
    async holds(world) {
      await world.applied();
      const done = await look(world);
      const { input, before } = world.recorded;
      await handlerOf(world).apply(input, before, contextOf(world));
      mustEqual(await look(world), done, "applying it again changed something");
      mustEqual(await revert(world), "restored", "revert after that");
    },
  },
  {
    title: "leaves what somebody else changed alone",
    untried: withoutForeignEdit,
    async holds(world) {
      await world.applied();
      await editByHand(world);
      const edited = await look(world);
      mustEqual(await revert(world), "conflict", "revert of a foreign change");
      mustEqual(await look(world), edited, "revert overwrote a foreign change");
    },
  },
];

function handlerOf({ target, recorded }: OlderStep): Step<Json, Json, Json, AsyncDisposable> {
  const handler = target.steps.find(({ kind }) => kind === recorded.kind);
  if (handler === undefined) throw new Error(`nothing handles ${recorded.kind} any more`);
  return handler;
}

async function revert(world: OlderStep): Promise<Reverted | undefined> {
  const { input, before } = world.recorded;
  return handlerOf(world).revert?.(input, before, contextOf(world));
}

function contextOf({ connection, context }: OlderStep): WriteContext<AsyncDisposable> {
  return testContext(connection, context);
}

/** A copy: what a world returns may be the very object that the step changes later. */
async function look(world: OlderStep): Promise<unknown> {
  return throughJournal(await world.snapshot());
}
