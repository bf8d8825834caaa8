import { isLockstepError, type Retire } from "@lockstep/plugin";
import { anchorsIn } from "../anchors.ts";
import { getManifest, listTags } from "../client/manifests.ts";
import type { RegistryConnection } from "../connection.ts";
import { removeTag } from "../tags.ts";

/** How many releases keep their tags. */
export type RetireAnchorsInput = {
  /** `ghcr.io/acme/shop` */
  readonly repository: string;
  /** What the tags of releases begin with. */
  readonly anchor: string;
  /** Releases that stay; at least 2. */
  readonly keep: number;
  /** Tags that decide what is live. */
  readonly tags: readonly string[];
  /** Digests that were live before: they stay. */
  readonly previous: readonly string[];
};

/**
 * Removes the tags of old releases, and only tags that a release of Lockstep made. Digests are never
 * deleted for their own sake: other tags may need them.
 */
export const retireAnchors: Retire<RetireAnchorsInput, RegistryConnection> = {
  kind: "registry.retire/1",

  describe({ repository, anchor, keep }) {
    return `keep ${keep} releases of ${repository}:${anchor}*`;
  },

  async retire({ anchor, keep, tags, previous }, ctx) {
    const { connection } = ctx;
    const { repository } = connection.settings;
    const asking = connection.asking(ctx);
    const all = await connection.tags.all(() => listTags(asking, repository));
    const anchors = anchorsIn(all, anchor);
    const newest = new Set([...new Set(anchors.map(({ made }) => made))].slice(0, keep));
    const old = anchors.filter(({ made }) => !newest.has(made));
    if (old.length === 0) return;

    const live = await Promise.all(tags.map((tag) => getManifest(asking, repository, tag)));
    const stays = new Set([...previous, ...live.map((raw) => raw?.digest)]);
    for (const { tag } of old) {
      const raw = await getManifest(asking, repository, tag);
      if (raw === undefined || stays.has(raw.digest)) continue;
      try {
        await connection.tags.write({ removed: tag }, () =>
          removeTag(asking, { repository, tag }, raw),
        );
      } catch (error) {
        if (!isLockstepError(error) || error.code !== "REGISTRY_TAG_STAYS") throw error;
        ctx.log(`${error.message} Old releases keep their tags.\n`);
        return;
      }
    }
  },
};
