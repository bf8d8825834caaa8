import type { Asking } from "../client/asking.ts";
import { readBlob } from "../client/blobs.ts";
import { getManifest } from "../client/manifests.ts";
import type { RegistryConnection } from "../connection.ts";
import { isDigest } from "../digest.ts";
import { CONFIG_BYTES } from "../image/base.ts";
import {
  type Descriptor,
  embedded,
  parseConfig,
  parseManifest,
  type RawManifest,
} from "../image/model.ts";
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
  connection: RegistryConnection,
  asking: Asking,
  root: RawManifest,
): Promise<Previous> {
  const { repository } = connection.settings;
  const parsed = parseManifest(root);
  const children =
    parsed?.kind === "index"
      ? await Promise.all(
          parsed.manifests
            .slice(0, MOST_CHILDREN)
            .map(({ digest }) => getManifest(asking, repository, digest)),
        )
      : [root];
  const images = children.flatMap((child) => {
    const manifest = child === undefined ? undefined : parseManifest(child);
    return manifest?.kind === "image" ? [manifest] : [];
  });
  return {
    root,
    blobs: new Set(
      images.flatMap(({ config, layers }) => [config, ...layers].map(({ digest }) => digest)),
    ),
    children: children.filter((child) => child !== undefined && child !== root) as RawManifest[],
    async layers() {
      const found = images.map(async (manifest) =>
        layersOf(manifest, await diffIdsOf(connection, asking, manifest.config)),
      );
      return new Map((await Promise.all(found)).flat());
    },
  };
}

async function diffIdsOf(
  { once, settings: { repository } }: RegistryConnection,
  asking: Asking,
  config: Descriptor,
): Promise<readonly string[]> {
  const { digest } = config;
  return once(`config ${digest}`, async () => {
    const bytes =
      embedded(config) ?? (await readBlob(asking, { repository, digest }, CONFIG_BYTES));
    return parseConfig(bytes)?.diffIds ?? [];
  });
}
