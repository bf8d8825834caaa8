import { hash } from "node:crypto";
import type { Step, WriteContext } from "@lockstep/plugin";
import type { S3Connection } from "../connection.ts";
import { movesOf } from "../moves.ts";
import { activate, type ActivateBefore, type ActivateInput } from "../steps/activate.ts";
import { baseOf } from "../steps/base.ts";
import { invalidPaths } from "./invalid-paths.ts";
import { invalidate } from "./invalidate.ts";

/** Which release goes live, and which distribution is told. */
export type ActivatePurgedInput = ActivateInput & {
  readonly distribution: string;
};

/**
 * Copies changed pages over the live ones, and makes a plain CloudFront distribution forget them: in one step,
 * so that whatever happens the way back makes it forget them, too.
 */
export const activatePurged: Step<ActivatePurgedInput, ActivateBefore, null, S3Connection> = {
  kind: "s3.activate-purged/1",

  describe: ({ distribution, ...input }) =>
    `${activate.describe(input)}, and invalidate them in ${distribution}`,

  inspect: (input, ctx) => activate.inspect(input, ctx),

  async apply(input, before, ctx) {
    await activate.apply(input, before, ctx);
    await purge(input, { before, what: "apply" }, ctx);
    return null;
  },

  async revert(input, before, ctx) {
    const said = (await activate.revert?.(input, before, ctx)) ?? "untouched";
    // also where nothing was to be put back: an earlier try may have ended before it said so
    if (await ctx.connection.isStaged(input.release, ctx.signal)) {
      await purge(input, { before, what: said }, ctx);
    }
    return said;
  },
};

async function purge(
  { release, entries }: ActivatePurgedInput,
  { before, what }: { readonly before: ActivateBefore; readonly what: string },
  ctx: WriteContext<S3Connection>,
): Promise<void> {
  const { connection, signal } = ctx;
  const { settings } = connection;
  const to = await connection.release(release, signal);
  const base = await baseOf(connection, { from: before.live, also: before.also }, signal);
  const changed = movesOf(to, base, entries).map(({ path }) => path);
  const paths = invalidPaths(changed, settings.prefix);
  // the same of every try, so that a repeated one costs nothing
  const facts = JSON.stringify([ctx.run, what, release, before.live, paths]);
  const name = `lockstep-${hash("sha256", facts, "hex").slice(0, 32)}`;
  await invalidate(settings, { name, paths }, ctx);
}
