import { canonicalJson, isLockstepError, type Json, stepConflict } from "@lockstep/plugin";
import type { Asking } from "./client/asking.ts";
import { deleteManifest, getManifest, putManifest } from "./client/manifests.ts";
import type { RegistryConnection } from "./connection.ts";
import { digestOf, isDigest } from "./digest.ts";
import { contentWrong, releaseGone, tagStays } from "./errors.ts";
import type { Tags } from "./glance.ts";
import { pinnedName } from "./image/image.ts";
import { parseObject, type RawManifest } from "./image/model.ts";
import { nameOf, type Repository } from "./reference.ts";

/** A manifest that can be put back behind a tag. */
export type Held = { readonly digest: string; readonly mediaType: string; readonly bytes: string };

/** What tags point at; null where there is no tag. */
export async function readTags(
  asking: Asking,
  repository: Repository,
  tags: readonly string[],
): Promise<Tags> {
  const found = await Promise.all(
    tags.map(async (tag) => [tag, (await getManifest(asking, repository, tag)) ?? null] as const),
  );
  return new Map(found);
}

/** As it is kept in the journal. */
export function heldOf(raw: RawManifest): Held {
  const { digest, mediaType, bytes } = raw;
  return { digest, mediaType, bytes: Buffer.from(bytes).toString("base64") };
}

/** @throws {LockstepError} `REGISTRY_CONTENT` when the journal was changed */
export function rawOf({ digest, mediaType, bytes }: Held): RawManifest {
  const decoded = Buffer.from(bytes, "base64");
  const found = digestOf(decoded);
  if (found !== digest) throw contentWrong("A saved manifest", digest, found);
  return { bytes: decoded, mediaType, digest: found };
}

/**
 * Reads a manifest that is to go behind a tag, once in a run.
 *
 * @throws {LockstepError} `REGISTRY_RELEASE_GONE`
 */
export async function stagedManifest(
  { once, settings: { repository } }: RegistryConnection,
  asking: Asking,
  digest: string,
): Promise<RawManifest> {
  return once(`staged ${digest}`, async () => {
    const raw = isDigest(digest) ? await getManifest(asking, repository, digest) : undefined;
    if (raw === undefined) throw releaseGone(pinnedName(repository, digest));
    return raw;
  });
}

/** A tag that is to be moved. */
export interface Moving {
  readonly repository: Repository;
  readonly tag: string;
  /** Digest it points at, as was just seen; null when there is no such tag. */
  readonly from: string | null;
}

/**
 * Points a tag at a manifest. Where the request must be sent again, the tag is looked at first: in the
 * meantime it may have become somebody else's.
 *
 * @throws {LockstepError} `STEP_CONFLICT`, `REGISTRY_RELEASE_GONE`, `REGISTRY_TAG_IMMUTABLE`
 */
export async function putTag(asking: Asking, moving: Moving, manifest: RawManifest): Promise<void> {
  const { repository, tag } = moving;
  try {
    const put = await putManifest(asking, {
      repository,
      manifest,
      reference: tag,
      beforeRetry: () => refuseTaken(asking, moving, manifest),
    });
    if ("missing" in put) throw releaseGone(pinnedName(repository, manifest.digest));
  } catch (error) {
    if (!isLockstepError(error) || error.code !== "REGISTRY_TAG_IMMUTABLE") throw error;
    // a tag that never moves is refused to its own image, too: when the first reply was lost
    const found = await getManifest(asking, repository, tag);
    if (found?.digest !== manifest.digest) throw error;
  }
}

/**
 * Looks whether a tag still points at what it did, or at its new image.
 *
 * @throws {LockstepError} `STEP_CONFLICT`
 */
export async function refuseTaken(
  asking: Asking,
  { repository, tag, from }: Moving,
  { digest }: RawManifest,
): Promise<void> {
  const found = (await getManifest(asking, repository, tag))?.digest ?? null;
  if (found === from || found === digest) return;
  throw stepConflict(`${nameOf(repository)}:${tag}`, { wanted: from, found });
}

/**
 * What a tag points at for the moment before it is removed, where a registry removes only digests: the
 * image itself with one more annotation, so that it can be pulled until the end, and nothing else has its
 * digest.
 */
export function farewell(raw: RawManifest, tag: string): RawManifest {
  const value = parseObject(raw.bytes) as Record<string, Json> | undefined;
  const annotations = (value?.["annotations"] ?? {}) as Record<string, Json>;
  const bytes = Buffer.from(
    canonicalJson({ ...value, annotations: { ...annotations, "dev.lockstep.removing": tag } }),
  );
  return { bytes, mediaType: raw.mediaType, digest: digestOf(bytes) };
}

/** Statuses of a request that did delete. */
const DELETED: ReadonlySet<number> = new Set([200, 202, 204]);
/** The registry deletes by digest alone: CNCF distribution before 3.0 answers 400. */
const DIGESTS_ONLY = 400;

/**
 * Removes a tag and nothing else. Whatever happens on the way, the tag points at an image that can be
 * pulled until it is gone.
 *
 * @param raw - The manifest the tag points at.
 * @throws {LockstepError} `REGISTRY_TAG_STAYS` where the registry does not delete; the tag is as it was
 */
export async function removeTag(
  asking: Asking,
  { repository, tag }: { readonly repository: Repository; readonly tag: string },
  raw: RawManifest,
): Promise<void> {
  const status = await deleteManifest(asking, repository, tag);
  if (DELETED.has(status) || status === 404) return;
  if (status !== DIGESTS_ONLY) throw tagStays(`${nameOf(repository)}:${tag}`, status);

  // whether digests may be deleted is tried on something that nobody sees
  const probe = farewell(raw, `${tag} probe`);
  await putManifest(asking, { repository, manifest: probe, reference: probe.digest });
  const allowed = await deleteManifest(asking, repository, probe.digest);
  if (!DELETED.has(allowed)) throw tagStays(`${nameOf(repository)}:${tag}`, allowed);

  const last = farewell(raw, tag);
  await putTag(asking, { repository, tag, from: raw.digest }, last);
  // died here: revert and retire know the farewell of a tag and go on
  const gone = await deleteManifest(asking, repository, last.digest);
  if (!DELETED.has(gone) && gone !== 404) throw tagStays(`${nameOf(repository)}:${tag}`, gone);
}

/** Tags in the order in which they are moved: `1.4.2`, `1.4`, `1`; what most people pull, `latest`, comes last. */
export function inMovingOrder(tags: readonly string[]): string[] {
  const width = (tag: string): number => (tag === "latest" ? -1 : tag.split(".").length);
  return tags.toSorted((left, right) => width(right) - width(left) || (left < right ? -1 : 1));
}

/** `digest` or `nothing`, for messages. */
export function shownDigest(raw: { readonly digest: string } | null | undefined): string | null {
  return raw?.digest ?? null;
}
