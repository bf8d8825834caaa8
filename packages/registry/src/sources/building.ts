import type { TargetContext } from "@lockstep/plugin";
import type { RegistryConnection } from "../connection.ts";
import type { Digest } from "../digest.ts";
import type { Descriptor, ImageManifest, RawManifest } from "../image/model.ts";
import type { RegistrySettings } from "../options.ts";

/** What an image is built with. */
export interface Building {
  readonly ctx: TargetContext;
  readonly connection: RegistryConnection;
  readonly settings: RegistrySettings;
  /** What is written into the manifest. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly previous: Previous;
}

/** The image that is live now, as far as it saves work. */
export interface Previous {
  readonly root: RawManifest | undefined;
  /** Layers by the digest of their archive. Asks the registry for configs that no manifest holds. */
  layers(): Promise<ReadonlyMap<string, Descriptor>>;
  /** Every blob it has. */
  readonly blobs: ReadonlySet<Digest>;
  readonly children: readonly RawManifest[];
}

/** Nothing is live. */
export const NOTHING: Previous = {
  root: undefined,
  layers: async () => new Map(),
  blobs: new Set(),
  children: [],
};

/** Pairs the layers of an image with the digests of their archives. */
export function layersOf(
  { layers }: ImageManifest,
  diffIds: readonly string[],
): readonly (readonly [string, Descriptor])[] {
  if (layers.length !== diffIds.length) return [];
  return layers.flatMap((layer, index) => {
    const diffId = diffIds[index];
    const { mediaType, digest, size } = layer;
    return diffId === undefined ? [] : [[diffId, { mediaType, digest, size }] as const];
  });
}
