import { streamBlob } from "../client/blobs.ts";
import { getManifest } from "../client/manifests.ts";
import { referrersOf } from "../client/referrers.ts";
import type { Digest } from "../digest.ts";
import { sourceUnfit } from "../errors.ts";
import { distinct, type Image, type ImageBlob, pinnedName } from "../image/image.ts";
import { type Descriptor, parseManifest, type RawManifest } from "../image/model.ts";
import { parseReference, type Repository } from "../reference.ts";
import type { Building } from "./building.ts";

/** How deep an index may list other indexes. */
const DEEPEST = 3;
/** Most manifests of one image. */
const MOST_MANIFESTS = 200;

/**
 * Takes an image as it is from a repository: every platform and all that refers to it. Inside one registry
 * no layer is downloaded.
 *
 * @throws {LockstepError} `REGISTRY_SOURCE`
 */
export async function imageOfRegistry(
  building: Building,
  { image }: { readonly image: string },
): Promise<Image> {
  const { repository, digest } = parseReference(image) ?? {};
  if (repository === undefined || digest === undefined) throw sourceUnfit(image, "has no digest");
  const { connection, ctx } = building;
  const from = connection.mirrorOf(repository);
  const manifests = await tree(building, from, digest);
  const root = manifests.at(-1);
  if (root === undefined) throw sourceUnfit(image, "is not in its registry");
  const referrers = await referrersOf(connection.asking(ctx), from, digest);
  const blobs = [...manifests, ...referrers].flatMap((raw) => blobsOf(building, from, raw));
  return {
    root,
    children: manifests.slice(0, -1),
    blobs: distinct(blobs),
    materials: [{ name: image.slice(0, image.indexOf("@")), digest }],
    referrers,
  };
}

/** The manifests of an image, what is listed before what lists it. */
async function tree(building: Building, from: Repository, root: Digest): Promise<RawManifest[]> {
  const { connection, ctx } = building;
  const asking = connection.asking(ctx);
  const found = new Map<Digest, RawManifest>();
  async function visit(digest: Digest, depth: number): Promise<void> {
    if (found.has(digest)) return;
    const raw = await connection.once(`manifest ${from.host}/${from.path} ${digest}`, async () =>
      getManifest(asking, from, digest),
    );
    if (raw === undefined) throw sourceUnfit(pinnedName(from, digest), "is not in its registry");
    const manifest = parseManifest(raw);
    if (manifest === undefined) {
      throw sourceUnfit(pinnedName(from, digest), `is of the unknown type ${raw.mediaType}`);
    }
    if (depth > DEEPEST || found.size >= MOST_MANIFESTS) {
      throw sourceUnfit(pinnedName(from, root), "lists more than any image does");
    }
    if (manifest.kind === "index") {
      for (const child of manifest.manifests) await visit(child.digest, depth + 1);
    }
    found.set(digest, raw);
  }
  await visit(root, 1);
  return [...found.values()];
}

function blobsOf(
  { settings, connection, ctx, previous }: Building,
  from: Repository,
  raw: RawManifest,
): ImageBlob[] {
  const manifest = parseManifest(raw);
  if (manifest?.kind !== "image") return [];
  const { repository } = settings;
  const isNear = from.host === repository.host;
  const isHere = isNear && from.path === repository.path;
  return [manifest.config, ...manifest.layers].map((descriptor: Descriptor) => ({
    descriptor,
    label: descriptor === manifest.config ? "config" : "layer",
    action: isHere || previous.blobs.has(descriptor.digest) ? "reuse" : isNear ? "mount" : "upload",
    ...(isNear && !isHere ? { from } : {}),
    open: () => streamBlob(connection.asking(ctx), from, descriptor.digest),
  }));
}
