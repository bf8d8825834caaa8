import { type Reverted, type Step, stepConflict, type WriteContext } from "@lockstep/plugin";
import type { Asking } from "../client/blobs.ts";
import { putManifest } from "../client/manifests.ts";
import type { RegistryConnection } from "../connection.ts";
import { releaseGone, together } from "../errors.ts";
import { pinnedName } from "../image/image.ts";
import type { RawManifest } from "../image/model.ts";
import { nameOf, type Repository } from "../reference.ts";
import {
  farewell,
  type Held,
  heldOf,
  inMovingOrder,
  putTag,
  rawOf,
  readTags,
  removeTag,
  shownDigest,
  stagedManifest,
} from "../tags.ts";

/** Which tags are moved, and to what. */
export type ActivateInput = {
  /** `ghcr.io/acme/shop` */
  readonly repository: string;
  /** Digest by tag. */
  readonly moves: Readonly<Record<string, string>>;
  /** Digest each of them pointed at when it was planned; null when there was no such tag. */
  readonly from: Readonly<Record<string, string | null>>;
  /** The release's own tag, which never moves; null when it has one already. */
  readonly anchor: { readonly tag: string; readonly digest: string } | null;
  /** A tag for what another tool had made live, so that the registry keeps it; null when not needed. */
  readonly spare: { readonly tag: string; readonly digest: string } | null;
};

/** What the tags pointed at, with all that is needed to put it back. */
export type ActivateBefore = {
  readonly tags: Readonly<Record<string, Held | null>>;
  /** Digests behind the tags that are made new: null when there are none. */
  readonly anchor: string | null;
  readonly spare: string | null;
};

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

  async inspect({ from, anchor, spare }, ctx) {
    const { connection } = ctx;
    const planned = Object.entries(from).map(
      ([tag, digest]) => [tag, digest === null ? null : connection.seen.get(digest)] as const,
    );
    const unknown = planned.flatMap(([tag, raw]) => (raw === undefined ? [tag] : []));
    const wanted = [...unknown, ...namesOf([anchor, spare])];
    const found = await readTags(connection.asking(ctx), connection.settings.repository, wanted);
    const tags = planned.map(([tag, raw]) => [tag, raw ?? found.get(tag) ?? null] as const);
    return {
      tags: Object.fromEntries(tags.map(([tag, raw]) => [tag, raw === null ? null : heldOf(raw)])),
      anchor: shownDigest(found.get(anchor?.tag ?? "")),
      spare: shownDigest(found.get(spare?.tag ?? "")),
    };
  },

  async apply(input, before, ctx) {
    const { connection } = ctx;
    const { repository } = connection.settings;
    const asking = connection.asking(ctx);
    const wanted = await wantedManifests(input, ctx);
    const found = await readTags(asking, repository, Object.keys(input.moves));
    for (const [tag, raw] of found) refuseForeign(repository, { tag, raw, input });
    await anchorRelease(input, before, ctx);

    const waiting = inMovingOrder(Object.keys(input.moves)).filter(
      (tag) => found.get(tag)?.digest !== input.moves[tag],
    );
    const moved = await moveTogether(connection, asking, { tags: waiting, wanted });
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
    const found = await readTags(asking, repository, [
      ...Object.keys(input.moves),
      ...namesOf([input.anchor, input.spare]),
    ]);
    const said: Reverted[] = [];
    const failures: unknown[] = [];
    // latest first: the way back is the way there, turned round; one that fails keeps no other from going
    for (const tag of inMovingOrder(Object.keys(input.moves)).toReversed()) {
      const seen = { tag, raw: found.get(tag) ?? null, input, before };
      await putBack(asking, repository, seen).then(
        (result) => said.push(result),
        (error: unknown) => failures.push(error),
      );
    }
    if (failures.length > 0) throw together(failures);
    // somebody has to look at it: the images of this release stay where they can be found
    if (said.includes("conflict")) return "conflict";
    for (const tag of namesOf([input.anchor, input.spare])) connection.anchors.forget(tag);
    said.push(await removeAnchors(asking, repository, { found, input, before, log: ctx }));
    return said.includes("restored") ? "restored" : "untouched";
  },
};

function namesOf(anchors: readonly ({ readonly tag: string } | null)[]): string[] {
  return anchors.flatMap((anchor) => anchor?.tag ?? []);
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

interface Seen {
  readonly tag: string;
  readonly raw: RawManifest | null;
  readonly input: ActivateInput;
  readonly before: ActivateBefore;
}

function refuseForeign(repository: Repository, { tag, raw, input }: Omit<Seen, "before">): void {
  const [was, now] = [input.from[tag] ?? null, shownDigest(raw)];
  if (now === was || now === input.moves[tag]) return;
  throw stepConflict(`${nameOf(repository)}:${tag}`, { wanted: was, found: now });
}

async function anchorRelease(
  { anchor, spare }: ActivateInput,
  before: ActivateBefore,
  ctx: WriteContext<RegistryConnection>,
): Promise<void> {
  const { connection } = ctx;
  const { repository } = connection.settings;
  const asking = connection.asking(ctx);
  for (const [wanted, was] of [
    [anchor, before.anchor],
    [spare, before.spare],
  ] as const) {
    if (wanted === null || was === wanted.digest) continue;
    if (was !== null) {
      const name = `${nameOf(repository)}:${wanted.tag}`;
      throw stepConflict(name, { wanted: wanted.digest, found: was });
    }
    const manifest = await stagedManifest(connection, asking, wanted.digest);
    try {
      await putTag(asking, { repository, tag: wanted.tag, from: null }, manifest);
    } finally {
      connection.anchors.forget(wanted.tag);
    }
  }
}

/** In one request where the registry can; it counts only what the registry says it moved. */
async function moveTogether(
  { settings: { repository, atomicTags } }: RegistryConnection,
  asking: Asking,
  {
    tags,
    wanted,
  }: { readonly tags: readonly string[]; readonly wanted: ReadonlyMap<string, RawManifest> },
): Promise<readonly string[]> {
  const manifests = new Set(tags.map((tag) => wanted.get(tag)));
  const [manifest] = manifests;
  if (!atomicTags || manifests.size !== 1 || manifest === undefined || tags.length < 2) return [];
  const put = await putManifest(asking, { repository, manifest, reference: manifest.digest, tags });
  if ("missing" in put) throw releaseGone(pinnedName(repository, manifest.digest));
  return put.moved;
}

async function putBack(
  asking: Asking,
  repository: Repository,
  { tag, raw, input, before }: Seen,
): Promise<Reverted> {
  const was = before.tags[tag] ?? null;
  const [now, ours] = [shownDigest(raw), input.moves[tag]];
  if (now === shownDigest(was)) return "untouched";
  if (raw === null || !isOurs(raw, { tag, ours, isNew: was === null })) return "conflict";
  if (was === null) await removeTag(asking, { repository, tag }, raw);
  else await putTag(asking, { repository, tag, from: raw.digest }, rawOf(was));
  return "restored";
}

/** Our image, or what a removal that was cut short left behind: that of a tag of ours, and no other. */
function isOurs(
  raw: RawManifest,
  { tag, ours, isNew }: { tag: string; ours: string | undefined; isNew: boolean },
): boolean {
  return raw.digest === ours || (isNew && farewell(raw, tag).digest === raw.digest);
}

interface Anchored {
  readonly found: ReadonlyMap<string, RawManifest | null>;
  readonly input: ActivateInput;
  readonly before: ActivateBefore;
  readonly log: Pick<WriteContext<unknown>, "log">;
}

/** Nobody pulls an anchor to get what is live: where it cannot be removed, it is told and left. */
async function removeAnchors(
  asking: Asking,
  repository: Repository,
  { found, input, before, log }: Anchored,
): Promise<Reverted> {
  let said: Reverted = "untouched";
  for (const [wanted, was] of [
    [input.anchor, before.anchor],
    [input.spare, before.spare],
  ] as const) {
    const raw = wanted === null ? null : (found.get(wanted.tag) ?? null);
    if (wanted === null || raw === null || was !== null) continue;
    if (!isOurs(raw, { tag: wanted.tag, ours: wanted.digest, isNew: true })) continue;
    try {
      await removeTag(asking, { repository, tag: wanted.tag }, raw);
      said = "restored";
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "REGISTRY_TAG_STAYS"))
        throw error;
      log.log(`${error.message}\n`);
    }
  }
  return said;
}
