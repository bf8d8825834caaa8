import type { PlanContext, Step } from "@lockstep/plugin";
import type { S3Connection } from "../connection.ts";
import { foreignObjects } from "../errors.ts";
import type { Move } from "../moves.ts";
import type { SiteFile, SiteRelease } from "../release.ts";
import { shortRef } from "./base.ts";
import { lookAt, publish } from "./publish.ts";
import { plannedSite, send } from "./stage.ts";

/** What is put back. */
export type RepairInput = {
  /** The release that is deployed, which has these files as the live one has them. */
  readonly release: string;
  readonly live: string;
  readonly paths: readonly string[];
};

/**
 * Puts back what the live release has and the bucket has no longer, only where there is nothing: pages from the
 * bytes that are kept, assets from the source. They belong to the release before as well, so they stay when the
 * run is put back.
 */
export const repair: Step<RepairInput, null, null, S3Connection> = {
  kind: "s3.repair/1",

  describe: ({ live, paths }) =>
    `put back ${paths.length} objects of ${shortRef(live)} that are gone`,

  inspect: async () => null,

  async apply(input, _before, ctx) {
    const { connection, signal } = ctx;
    const { byPath } = await connection.release(input.live, signal);
    const files = input.paths.flatMap((path) => byPath.get(path) ?? []);
    const creates = files.filter(({ inPlace }) => inPlace);
    if (creates.length > 0) {
      await send(await plannedSite(input, ctx), { creates, uploads: [], keeps: [] }, ctx);
    }
    const kept = files.filter(({ inPlace }) => !inPlace);
    const moves = kept.map((to): Move => ({ path: to.path, was: [], to, wave: 0 }));
    const refuse = (key: string): never => {
      throw foreignObjects(connection.bucket.name, [key]);
    };
    const { foreign, waiting } = await lookAt(moves, ctx);
    foreign.slice(0, 1).forEach(refuse);
    await publish(waiting, ctx, refuse);
    return null;
  },
};

/** Files of the live release that the bucket has no longer. Lists everything below the prefix. */
export async function goneFrom(
  live: SiteRelease,
  { connection, signal }: PlanContext<S3Connection>,
): Promise<readonly SiteFile[]> {
  const { bucket, layout, settings } = connection;
  const keys = new Set<string>();
  for await (const { key } of bucket.list(settings.prefix, { signal })) keys.add(key);
  return live.files.filter(({ path }) => !keys.has(layout.live(path)));
}
