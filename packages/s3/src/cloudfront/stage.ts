import { sourceChanged, type Step, type TargetContext, type WriteContext } from "@lockstep/plugin";
import { settle } from "../moves.ts";
import { keptRelease } from "../release.ts";
import { makeSite, readFiles, type Site, type SiteSource } from "../site.ts";
import { shortRef } from "../steps/base.ts";
import { putManifest } from "../steps/put-manifest.ts";
import { announce } from "./announce.ts";
import type { RoutedConnection } from "./connection.ts";
import { routedSite } from "./documents.ts";
import { PREVIEW_NAME } from "./router.ts";
import { isPooled } from "./routes.ts";
import { send } from "./send.ts";

/** Which release is staged, and which one was live when that was planned. */
export type StageInput = {
  readonly release: string;
  readonly from: string | null;
};

/**
 * Puts the documents of a release below a prefix of their own, and new assets into the pool; then tells the
 * store about it, so that it can be looked at by its name. Every name is new or says what is in it: no visitor
 * sees any of it, and what never goes live is left to retire.
 */
export const stage: Step<StageInput, null, null, RoutedConnection> = {
  kind: "s3.stage-routed/1",

  describe: ({ release }) =>
    `send ${shortRef(release)} below a prefix of its own, to be seen with ?${PREVIEW_NAME}=${release.replace("sha256:", "")}`,

  inspect: async () => null,

  async apply(input, _before, ctx) {
    const { connection, signal } = ctx;
    const { switchboard } = connection;
    switchboard.refuseOlder(await switchboard.known(ctx), ctx.stamp);
    const site = await plannedSite(input, ctx);
    const from = input.from === null ? null : await connection.release(input.from, signal);
    const settled = settle(site.release, { from, also: null });
    // first of all: what is not named by a manifest is never removed again
    const release = await putManifest(keptRelease(settled, site.made), ctx);
    await send(site, { release, from }, ctx);
    await announce(release.ref, ctx);
    return null;
  },
};

/** Reads the source as the router will serve it. */
export async function readSite(
  ctx: TargetContext & { readonly connection: RoutedConnection },
  source?: SiteSource,
): Promise<Site> {
  const { settings } = ctx.connection;
  const site = await makeSite(settings, source ?? (await readFiles(settings, ctx)), ctx);
  return routedSite(site, isPooled);
}

async function plannedSite(
  { release: wanted }: StageInput,
  ctx: WriteContext<RoutedConnection>,
): Promise<Site> {
  const known = ctx.connection.site;
  if (known?.release.ref === wanted) return known;
  const site = await readSite(ctx);
  const { ref: found } = site.release;
  if (found !== wanted) throw sourceChanged("The site", { wanted, found });
  return site;
}
