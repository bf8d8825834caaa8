import { readBlob } from "../client/blobs.ts";
import type { Asking } from "../client/blobs.ts";
import { getManifest } from "../client/manifests.ts";
import type { RegistryConnection } from "../connection.ts";
import { type Digest, isDigest } from "../digest.ts";
import { CONFIG_BYTES } from "../image/base.ts";
import { type Descriptor, parseConfig, parseManifest, type RawManifest } from "../image/model.ts";
import { layersOf, NOTHING, type Previous } from "./building.ts";

/** Most platforms of the live image that are looked at. */
const MOST_CHILDREN = 20;

/**
 * Reads the image that is live now, once in a run. What is gone saves no work and does no harm.
 *
 * @param digest - What the first tag points at; null: there is no such tag.
 * @param known - Its manifest, where that has been read already.
 */
export async function readPrevious(
  connection: RegistryConnection,
  asking: Asking,
  { digest, known }: { readonly digest: string | null; readonly known?: RawManifest | null },
): Promise<Previous> {
  if (digest === null || !isDigest(digest)) return NOTHING;
  return connection.once(`previous ${digest}`, async () => {
    const { repository } = connection.settings;
    const root = known ?? (await getManifest(asking, repository, digest));
    return root === undefined ? NOTHING : read(connection, asking, root);
  });
}

async function read(
  { settings: { repository } }: RegistryConnection,
  asking: Asking,
  root: RawManifest,
): Promise<Previous> {
  const parsed = parseManifest(root);
  const children =
    parsed?.kind === "index"
      ? await Promise.all(
          parsed.manifests
            .slice(0, MOST_CHILDREN)
            .map(({ digest }) => getManifest(asking, repository, digest)),
        )
      : [root];
  const layers = new Map<string, Descriptor>();
  const blobs = new Set<Digest>();
  for (const child of children) {
    const manifest = child === undefined ? undefined : parseManifest(child);
    if (manifest?.kind !== "image") continue;
    const { config } = manifest;
    const bytes = await readBlob(asking, { repository, digest: config.digest }, CONFIG_BYTES);
    const parts = parseConfig(bytes);
    for (const { digest } of [config, ...manifest.layers]) blobs.add(digest);
    for (const [diffId, layer] of parts === undefined ? [] : layersOf(manifest, parts)) {
      layers.set(diffId, layer);
    }
  }
  return {
    root,
    annotations: parsed?.annotations ?? {},
    layers,
    blobs,
    children: children.filter((child) => child !== undefined && child !== root) as RawManifest[],
  };
}
