import {
  type Reverted,
  type Stamp,
  type Step,
  stepConflict,
  type WriteContext,
} from "@lockstep/plugin";
import type { S3Connection } from "../connection.ts";
import { foreignObjects } from "../errors.ts";
import { type Base, type Move, movesOf, returnsOf } from "../moves.ts";
import { nameOf, type PastRelease, type Pointer } from "../pointer.ts";
import type { KeptRelease } from "../release.ts";
import { baseOf, shortRef } from "./base.ts";
import { lookAt, publish } from "./publish.ts";

/** Which release goes live. */
export type ActivateInput = {
  readonly release: string;
  /** Keys that go live last, in this order. */
  readonly entries: readonly string[];
  /** Whether the server was seen to ignore conditions: then only the lease keeps two runs apart. */
  readonly isBlind?: true;
};

/** What the control object said. */
export type ActivateBefore = {
  readonly live: string | null;
  /** The release that a run which did not end was moving to. */
  readonly also: string | null;
  readonly past: readonly PastRelease[];
};

/**
 * Copies the changed pages of a staged release over the live ones, those that are asked for first last,
 * and says in the control object which release it is.
 *
 * The control object says that pages are moving before the first of them does.
 */
export const activate: Step<ActivateInput, ActivateBefore, null, S3Connection> = {
  kind: "s3.activate/1",

  describe: ({ release, isBlind }) =>
    `copy the changed pages of ${shortRef(release)} over the live ones${isBlind === true ? " (best effort: this server ignores conditions)" : ""}`,

  async inspect(input, ctx) {
    const { connection, signal } = ctx;
    const pointer = await connection.control.known(ctx);
    const before = beforeOf(pointer);
    if (!(await connection.isStaged(input.release, signal))) return before; // then it cannot go live either
    const { moves } = await movesBetween(connection, { input, before, signal });
    const { foreign } = await lookAt(moves, ctx);
    if (foreign.length > 0) throw foreignObjects(connection.bucket.name, foreign);
    return before;
  },

  async apply(input, before, ctx) {
    const { connection, signal } = ctx;
    const { control } = connection;
    const pointer = await control.known(ctx);
    control.refuseOlder(pointer, ctx.stamp);
    if (isDone(pointer, input)) return null;
    refuseMoved(ctx, { pointer, input, before });
    const { to, moves } = await movesBetween(connection, { input, before, signal });
    const looked = await lookAt(moves, ctx);
    const refuse = (key: string): never => {
      const what = { wanted: "what the live release put there", found: "something else" };
      throw stepConflict(`${connection.bucket.name}/${key}`, what);
    };
    looked.foreign.slice(0, 1).forEach(refuse);
    const { live, past } = before;
    const moving = { live, past, moving: { to: input.release }, stamp: ctx.stamp };
    await control.write(moving, ctx);
    await publish(looked.waiting, ctx, refuse);
    const gone = pastOf(before, input, ctx.now());
    const next = { live: input.release, made: to.made, past: gone, stamp: ctx.stamp };
    await control.write({ ...next, begun: othersBegun(pointer, ctx.stamp) }, ctx);
    return null;
  },

  async revert(input, before, ctx): Promise<Reverted> {
    const { connection, signal } = ctx;
    const { control } = connection;
    const pointer = await control.read(ctx);
    control.refuseOlder(pointer, ctx.stamp);
    if (isAsBefore(pointer, before)) return "untouched";
    if (!isOurs(pointer, input, before)) return "conflict";
    const { to, base } = await movesBetween(connection, { input, before, signal });
    const look = await lookAt(returnsOf(to, base, input.entries), ctx);
    // a release that is whole stays whole with the foreign change in it; one that is half there does not
    const isWhole = pointer.moving === undefined || look.waiting.length === 0;
    if (isWhole && look.foreign.length > 0) return "conflict";
    const { live, past } = before;
    const moving = { live, past, moving: { to: input.release }, stamp: ctx.stamp };
    await control.write(moving, ctx);
    const foreign = [...look.foreign];
    await publish(look.waiting, ctx, (key) => foreign.push(key));
    // somebody has to look at it: the control object goes on saying that two releases are mixed
    if (foreign.length > 0) return "conflict";
    const made = live === null ? undefined : (await connection.release(live, signal)).made;
    const begun = pointer.begun ?? ctx.stamp.run; // what was staged for this release is of no use now
    await control.write({ live, made, past, begun, stamp: ctx.stamp }, ctx);
    return "restored";
  },
};

function beforeOf({ live, moving, past }: Pointer): ActivateBefore {
  return { live, also: moving?.to ?? null, past };
}

async function movesBetween(
  connection: S3Connection,
  {
    input,
    before,
    signal,
  }: {
    readonly input: ActivateInput;
    readonly before: ActivateBefore;
    readonly signal: AbortSignal;
  },
): Promise<{ to: KeptRelease; base: Base; moves: readonly Move[] }> {
  const to = await connection.release(input.release, signal);
  const base = await baseOf(connection, { from: before.live, also: before.also }, signal);
  return { to, base, moves: movesOf(to, base, input.entries) };
}

function isDone({ live, moving }: Pointer, { release }: ActivateInput): boolean {
  return live === release && moving === undefined;
}

function isAsBefore({ live, moving }: Pointer, before: ActivateBefore): boolean {
  return live === before.live && (moving?.to ?? null) === before.also;
}

/** Ours: what this step or its revert left, half or whole. */
function isOurs(
  { live, moving }: Pointer,
  { release }: ActivateInput,
  before: ActivateBefore,
): boolean {
  if (moving === undefined) return live === release;
  return live === before.live && moving.to === release;
}

function refuseMoved(
  { connection }: WriteContext<S3Connection>,
  {
    pointer,
    input,
    before,
  }: { readonly pointer: Pointer; readonly input: ActivateInput; readonly before: ActivateBefore },
): void {
  if (isAsBefore(pointer, before) || isOurs(pointer, input, before)) return;
  throw stepConflict(nameOf(connection.control.place), {
    wanted: before.live,
    found: pointer.live,
  });
}

/** What this run staged is live now, and needs no sweep. */
function othersBegun({ begun }: Pointer, { run }: Stamp): string | undefined {
  return begun === run ? undefined : begun;
}

/** The release that was live becomes the latest of the past; the one that goes live leaves it. */
function pastOf(
  { live, past }: ActivateBefore,
  { release }: ActivateInput,
  now: number,
): readonly PastRelease[] {
  const others = past.filter(({ ref }) => ref !== release && ref !== live);
  return live === null || live === release ? others : [{ ref: live, until: now }, ...others];
}
