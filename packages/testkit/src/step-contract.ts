import type { Json, PlannedStep, Step, WriteContext } from "@lockstep/plugin";
import { expect } from "vitest";
import { type Claim, describeClaims } from "./claim.ts";
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
  /** Somebody else changes what the step changes, to a value of their own. */
  foreignEdit?(): Promise<void>;
  dispose?(): Promise<void>;
}

/**
 * Registers a test for every promise of {@link Step}; `make` makes a fresh case for each of them.
 *
 * Without `foreignEdit` the two tests about it only say, in an annotation, that they tried nothing.
 */
export function describeStepContract<I extends Json, B extends Json, O extends Json, C>(
  name: string,
  make: () => Promise<StepCase<I, B, O, C>>,
): void {
  describeClaims(`${name} keeps the step contract`, stepClaims<I, B, O, C>(), make);
}

/** The promises of a step, one by one. */
export function stepClaims<I extends Json, B extends Json, O extends Json, C>(): Claim<
  StepCase<I, B, O, C>
>[] {
  type Case = StepCase<I, B, O, C>;
  return [...plainClaims<Case>(), ...revertClaims<Case>(), ...conflictClaims<Case>()];
}

/** Any step's case, as the claims below see it. */
type AnyCase = StepCase<Json, Json, Json, never>;

function plainClaims<Case extends AnyCase>(): Claim<Case>[] {
  return [
    {
      title: "has a kind with a format number, and describes itself in one line",
      async check({ handler, input }) {
        expect(handler.kind).toMatch(/^[a-z0-9-]+\.[a-z-]+\/[1-9][0-9]*$/);
        expect(handler.describe(input)).toMatch(/^\S[^\r\n]*$/);
      },
    },
    {
      title: "inspect changes nothing and sees the same twice",
      async check(subject) {
        const seen = await subject.snapshot();
        const ctx = contextOf(subject);

        const before = await subject.handler.inspect(subject.input, ctx);

        expect(await subject.handler.inspect(subject.input, ctx)).toEqual(before);
        expect(await subject.snapshot()).toEqual(seen);
      },
    },
    {
      title: "input, before and output survive the journal",
      async check(subject) {
        const { handler, input } = subject;
        const ctx = contextOf(subject);
        const before = await handler.inspect(input, ctx);
        const output = await handler.apply(input, before, ctx);

        expect(journaled(input)).toEqual(input);
        expect(journaled(before)).toEqual(before);
        expect(journaled(output)).toEqual(output);
      },
    },
    {
      title: "apply changes something, and applied again changes nothing and returns the same",
      async check(subject) {
        const { handler, input } = subject;
        const untouched = await subject.snapshot();
        const { before, output, ctx } = await applied(subject);
        const seen = await subject.snapshot();

        expect(seen).not.toEqual(untouched);
        expect(await handler.apply(input, before, ctx)).toEqual(output);
        expect(await subject.snapshot()).toEqual(seen);
      },
    },
    {
      title: "apply survives a lost reply, in a later process with what the journal holds",
      async check(subject) {
        const { handler, input } = subject;
        const { before, output, saved } = await applied(subject);
        const seen = await subject.snapshot();
        const later = contextOf(subject, saved.at(-1));

        const again = await handler.apply(journaled(input), journaled(before), later);

        expect(again).toEqual(output);
        expect(await subject.snapshot()).toEqual(seen);
      },
    },
  ];
}

function revertClaims<Case extends AnyCase>(): Claim<Case>[] {
  return [
    {
      title: "has a revert, unless it is planned to be left or cannot be undone",
      async check({ handler, undo }) {
        if (undo === undefined) expect(handler.revert).toBeTypeOf("function");
      },
    },
    {
      title: "revert restores what inspect saw, and may be repeated",
      hindrance: withoutRevert,
      async check(subject) {
        const seen = await subject.snapshot();
        const { before, ctx } = await applied(subject);

        expect(await revert(subject, before, ctx)).toBe("restored");
        expect(await subject.snapshot()).toEqual(seen);
        expect(await revert(subject, before, ctx)).toBe("untouched");
        expect(await subject.snapshot()).toEqual(seen);
      },
    },
    {
      title: "revert restores after two applies as after one",
      hindrance: withoutRevert,
      async check(subject) {
        const { handler, input } = subject;
        const seen = await subject.snapshot();
        const { before, ctx } = await applied(subject);
        await handler.apply(input, before, ctx);

        expect(await revert(subject, before, ctx)).toBe("restored");
        expect(await subject.snapshot()).toEqual(seen);
      },
    },
    {
      title: "revert without apply changes nothing",
      hindrance: withoutRevert,
      async check(subject) {
        const seen = await subject.snapshot();
        const ctx = contextOf(subject);
        const before = await subject.handler.inspect(subject.input, ctx);

        expect(await revert(subject, before, ctx)).toBe("untouched");
        expect(await subject.snapshot()).toEqual(seen);
      },
    },
    {
      title: "after a revert it can be applied and reverted anew",
      hindrance: withoutRevert,
      async check(subject) {
        const seen = await subject.snapshot();
        const first = await applied(subject);
        await revert(subject, first.before, first.ctx);

        const second = await applied(subject);

        expect(second.before).toEqual(first.before);
        expect(await revert(subject, second.before, second.ctx)).toBe("restored");
        expect(await subject.snapshot()).toEqual(seen);
      },
    },
  ];
}

function conflictClaims<Case extends AnyCase>(): Claim<Case>[] {
  return [
    {
      title: "apply refuses somebody else's change with STEP_CONFLICT and writes nothing",
      hindrance: withoutForeignEdit,
      async check(subject) {
        const { handler, input } = subject;
        const ctx = contextOf(subject);
        const before = await handler.inspect(input, ctx);
        await subject.foreignEdit?.();
        const seen = await subject.snapshot();

        await expect(handler.apply(input, before, ctx)).rejects.toMatchObject({
          code: "STEP_CONFLICT",
        });
        expect(await subject.snapshot()).toEqual(seen);
      },
    },
    {
      title: "revert leaves somebody else's change alone and says conflict, however often",
      hindrance: (subject) => withoutForeignEdit(subject) ?? withoutRevert(subject),
      async check(subject) {
        const { before, ctx } = await applied(subject);
        await subject.foreignEdit?.();
        const seen = await subject.snapshot();

        expect(await revert(subject, before, ctx)).toBe("conflict");
        expect(await revert(subject, before, ctx)).toBe("conflict");
        expect(await subject.snapshot()).toEqual(seen);
      },
    },
  ];
}

function withoutRevert({ undo, handler }: AnyCase): string | undefined {
  return undo !== undefined && handler.revert === undefined ? "the step has no revert" : undefined;
}

function withoutForeignEdit({ foreignEdit }: AnyCase): string | undefined {
  return foreignEdit === undefined ? "the case has no foreignEdit" : undefined;
}

interface Applied {
  readonly before: Json;
  readonly output: Json;
  readonly ctx: WriteContext<never>;
  /** Checkpoints, in the order they were saved. */
  readonly saved: readonly Json[];
}

async function applied(subject: AnyCase): Promise<Applied> {
  const { handler, input } = subject;
  const saved: Json[] = [];
  const ctx = contextOf(subject, undefined, saved);
  const before = journaled(await handler.inspect(input, ctx));
  const output = await handler.apply(input, before, ctx);
  return { before, output, ctx, saved };
}

async function revert(
  { handler, input }: AnyCase,
  before: Json,
  ctx: WriteContext<never>,
): Promise<unknown> {
  return handler.revert?.(input, before, ctx);
}

function contextOf(
  { connection, context }: AnyCase,
  last?: Json,
  saved: Json[] = [],
): WriteContext<never> {
  const save = async (value: Json): Promise<void> => {
    saved.push(journaled(value));
  };
  return testContext(connection, { checkpoint: { last, save }, ...context });
}

/** The value as a later process reads it. */
function journaled<T extends Json>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}
