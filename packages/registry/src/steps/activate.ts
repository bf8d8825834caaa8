import {
  isLockstepError,
  type Reverted,
  type Step,
  stepConflict,
  type WriteContext,
} from "@lockstep/plugin";
import type { Asking } from "../client/asking.ts";
import { listTags, putManifest } from "../client/manifests.ts";
import type { RegistryConnection } from "../connection.ts";
import { releaseGone, tagNotBack, together } from "../errors.ts";
import type { Tags } from "../glance.ts";
import { pinnedName } from "../image/image.ts";
import type { RawManifest } from "../image/model.ts";
import { nameOf, type Repository } from "../reference.ts";
import {
  heldOf,
  inMovingOrder,
  putTag,
  readTags,
  refuseTaken,
  shownDigest,
  stagedManifest,
} from "../tags.ts";
import {
  type ActivateBefore,
  type ActivateInput,
  anchorsOf,
  anchorsWith,
  type PlannedAnchor,
} from "./activation.ts";
import { type Moved, putBack, removeAnchors } from "./put-back.ts";

/**
 * Moves the tags of a release, all or none: what cannot be moved puts the others back. The release's anchor
 * comes first, so that what a tag points at is never collected. A tag that points elsewhere than when it was
 * planned is somebody's, and stops it: so what the plan has read need not be read again to be put back.
 */
export const activate: Step<ActivateInput, ActivateBefore, null, RegistryConnection> = {
  kind: "registry.activate/1",

  describe({ repository, moves }) {
    const digests = [...new Set(Object.values(moves))];
    const tags = inMovingOrder(Object.keys(moves)).join(", ");
    return `point ${repository}:${tags} at ${digests.join(", ")}`;
  },

  async inspect(input, ctx) {
    const { from, anchor, spare, spares = [] } = input;
    const { connection } = ctx;
    const { repository } = connection.settings;
    const asking = connection.asking(ctx);
    const planned = Object.entries(from).map(
      ([tag, digest]) => [tag, digest === null ? null : connection.seen.get(digest)] as const,
    );
    const unknown = planned.flatMap(([tag, raw]) => (raw === undefined ? [tag] : []));
    const listed = await connection.tags.all(() => listTags(asking, repository));
    const there = namesOf(anchorsOf(input)).filter((tag) => listed.includes(tag));
    const wanted = [...unknown, ...there];
    const found = await readTags(asking, repository, wanted);
    const tags = planned.map(([tag, raw]) => [tag, raw ?? found.get(tag) ?? null] as const);
    return {
      tags: Object.fromEntries(tags.map(([tag, raw]) => [tag, raw === null ? null : heldOf(raw)])),
      anchor: shownDigest(found.get(anchor?.tag ?? "")),
      spare: shownDigest(found.get(spare?.tag ?? "")),
      ...(spares.length === 0
        ? {}
        : {
            spares: Object.fromEntries(
              spares.map(({ tag }) => [tag, shownDigest(found.get(tag))] as const),
            ),
          }),
    };
  },

  async apply(input, before, ctx) {
    const { connection } = ctx;
    const { repository } = connection.settings;
    const asking = connection.asking(ctx);
    connection.beforeMoves();
    const wanted = await wantedManifests(input, ctx);
    const found = await readTags(asking, repository, Object.keys(input.moves));
    for (const [tag, raw] of found) refuseForeign(repository, { tag, raw, input });
    await anchorRelease(input, before, ctx);

    const waiting = inMovingOrder(Object.keys(input.moves)).filter(
      (tag) => found.get(tag)?.digest !== input.moves[tag],
    );
    const moved = await moveTogether(connection, asking, { tags: waiting, wanted, found });
    for (const tag of waiting) {
      const manifest = wanted.get(tag);
      if (moved.includes(tag) || manifest === undefined) continue;
      const from = shownDigest(found.get(tag));
      await putTag(asking, { repository, tag, from }, manifest);
    }
    return null;
  },

  async revert(input, before, ctx): Promise<Reverted> {
    const { connection } = ctx;
    const { repository } = connection.settings;
    const asking = connection.asking(ctx);
    connection.beforeMoves();
    const found = await readTags(asking, repository, [
      ...Object.keys(input.moves),
      ...namesOf(anchorsOf(input)),
    ]);
    const said: Reverted[] = [];
    const failures: unknown[] = [];
    // latest first: the way back is the way there, turned round; one that fails keeps no other from going
    for (const tag of inMovingOrder(Object.keys(input.moves)).toReversed()) {
      const seen = { tag, raw: found.get(tag) ?? null, input, before };
      await putBack(asking, repository, seen).then(
        (result) => said.push(result),
        (error: unknown) => {
          const [now, was] = [shownDigest(seen.raw), shownDigest(before.tags[tag])];
          const name = `${nameOf(repository)}:${tag}`;
          failures.push(tagNotBack(name, { seen: now, before: was }, error));
        },
      );
    }
    if (failures.length > 0) throw together(failures);
    // somebody has to look at it: the images of this release stay where they can be found
    if (said.includes("conflict")) return "conflict";
    said.push(await removeAnchors(asking, connection, { found, input, before, log: ctx }));
    return said.includes("restored") ? "restored" : "untouched";
  },
};

function namesOf(anchors: readonly PlannedAnchor[]): string[] {
  return anchors.map(({ tag }) => tag);
}

async function wantedManifests(
  { moves }: ActivateInput,
  ctx: WriteContext<RegistryConnection>,
): Promise<ReadonlyMap<string, RawManifest>> {
  const { connection } = ctx;
  const asking = connection.asking(ctx);
  const all = Object.entries(moves).map(
    async ([tag, digest]) => [tag, await stagedManifest(connection, asking, digest)] as const,
  );
  return new Map(await Promise.all(all));
}

function refuseForeign(repository: Repository, { tag, raw, input }: Omit<Moved, "before">): void {
  const [was, now] = [input.from[tag] ?? null, shownDigest(raw)];
  if (now === was || now === input.moves[tag]) return;
  throw stepConflict(`${nameOf(repository)}:${tag}`, { wanted: was, found: now });
}

async function anchorRelease(
  input: ActivateInput,
  before: ActivateBefore,
  ctx: WriteContext<RegistryConnection>,
): Promise<void> {
  const { connection } = ctx;
  const { repository } = connection.settings;
  const asking = connection.asking(ctx);
  for (const { tag, digest, was } of anchorsWith(input, before)) {
    if (was === digest) continue;
    if (was !== null) {
      throw stepConflict(`${nameOf(repository)}:${tag}`, { wanted: digest, found: was });
    }
    const manifest = await stagedManifest(connection, asking, digest);
    await connection.tags.write({ made: tag }, () =>
      putTag(asking, { repository, tag, from: null }, manifest),
    );
  }
}

/** In one request where the registry can; it counts only what the registry says it moved. */
async function moveTogether(
  { settings: { repository, atomicTags } }: RegistryConnection,
  asking: Asking,
  {
    tags,
    wanted,
    found,
  }: {
    readonly tags: readonly string[];
    readonly wanted: ReadonlyMap<string, RawManifest>;
    readonly found: Tags;
  },
): Promise<readonly string[]> {
  const manifests = new Set(tags.map((tag) => wanted.get(tag)));
  const [manifest] = manifests;
  if (!atomicTags || manifests.size !== 1 || manifest === undefined || tags.length < 2) return [];
  try {
    const put = await putManifest(asking, {
      repository,
      manifest,
      reference: manifest.digest,
      tags,
      async beforeRetry() {
        for (const tag of tags) {
          const from = shownDigest(found.get(tag));
          await refuseTaken(asking, { repository, tag, from }, manifest);
        }
      },
    });
    if ("missing" in put) throw releaseGone(pinnedName(repository, manifest.digest));
    return put.moved;
  } catch (error) {
    if (!isLockstepError(error) || error.code !== "REGISTRY_TAG_IMMUTABLE") throw error;
    return []; // tag by tag it shows which one stays, or that a lost reply had moved them all
  }
}
