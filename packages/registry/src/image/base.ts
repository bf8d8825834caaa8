import type { Asking } from "../client/asking.ts";
import { readBlob, streamBlob } from "../client/blobs.ts";
import { getManifest } from "../client/manifests.ts";
import type { RegistryConnection } from "../connection.ts";
import { type Digest } from "../digest.ts";
import { baseUnfit } from "../errors.ts";
import { DOCKER, OCI } from "../media-types.ts";
import { parseReference, type Repository } from "../reference.ts";
import {
  type Descriptor,
  embedded,
  type ImageConfig,
  type ImageManifest,
  parseConfig,
  parseManifest,
  type Platform,
} from "./model.ts";

/** What an image for one platform is built on. */
export interface Base {
  readonly platform: Platform;
  /** Undefined for scratch. */
  readonly config: ImageConfig | undefined;
  readonly layers: readonly Descriptor[];
  open(digest: Digest, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Where its layers are; undefined for scratch. */
  readonly repository: Repository | undefined;
}

/** Most bytes of an image's config. */
export const CONFIG_BYTES: number = 8 * 1024 * 1024;

/**
 * Reads what the wanted platforms are built on.
 *
 * @throws {LockstepError} `REGISTRY_BASE`
 */
export async function readBases(
  connection: RegistryConnection,
  asking: Asking,
  {
    base,
    platforms,
  }: { readonly base: string; readonly platforms?: readonly string[] | undefined },
): Promise<readonly Base[]> {
  if (base === "scratch")
    return (platforms ?? ["linux/amd64"]).map((text) => scratch(platformOf(text)));
  const { repository, digest } = parseReference(base) ?? {};
  if (repository === undefined || digest === undefined) throw baseUnfit(base, "has no digest");
  const place = connection.mirrorOf(repository);
  const reading: Reading = { connection, asking, repository: place, name: base };
  const root = await manifestOf(reading, digest);
  if (root.kind === "image") return [await oneBase(reading, root, platforms)];

  const wanted = platforms?.map(platformOf) ?? defaultsOf(root.manifests);
  return Promise.all(
    wanted.map(async (platform) => {
      const found = root.manifests.find((one) => runsOn(one.platform, platform));
      if (found === undefined) throw baseUnfit(base, `is not built for ${shown(platform)}`);
      const manifest = await manifestOf(reading, found.digest);
      if (manifest.kind !== "image") throw baseUnfit(base, "lists a list where an image should be");
      return { ...(await oneBase(reading, manifest, undefined)), platform };
    }),
  );
}

interface Reading {
  readonly connection: RegistryConnection;
  readonly asking: Asking;
  readonly repository: Repository;
  readonly name: string;
}

async function manifestOf(
  { connection, asking, repository, name }: Reading,
  digest: Digest,
): Promise<NonNullable<ReturnType<typeof parseManifest>>> {
  return connection.once(`base ${digest}`, async () => {
    const raw = await getManifest(asking, repository, digest);
    if (raw === undefined) throw baseUnfit(name, "is not in its registry");
    const manifest = parseManifest(raw);
    if (manifest === undefined) throw baseUnfit(name, `is of the unknown type ${raw.mediaType}`);
    return manifest;
  });
}

async function oneBase(
  { connection, asking, repository, name }: Reading,
  manifest: ImageManifest,
  platforms: readonly string[] | undefined,
): Promise<Base> {
  const { digest } = manifest.config;
  const config = await connection.once(`base config ${digest}`, async () =>
    parseConfig(
      embedded(manifest.config) ?? (await readBlob(asking, { repository, digest }, CONFIG_BYTES)),
    ),
  );
  if (config === undefined || config.diffIds.length !== manifest.layers.length) {
    throw baseUnfit(name, "has a config that does not fit its layers");
  }
  const { os, architecture, variant } = config.value;
  if (typeof os !== "string" || typeof architecture !== "string") {
    throw baseUnfit(name, "does not say what it runs on");
  }
  const platform = { os, architecture, ...(typeof variant === "string" ? { variant } : {}) };
  const other = platforms?.find((one) => !runsOn(platform, platformOf(one)));
  if (other !== undefined)
    throw baseUnfit(name, `is built for ${shown(platform)}, not for ${other}`);
  return {
    platform,
    config,
    layers: manifest.layers.map(inOciTypes),
    repository,
    open: (layer) => streamBlob(asking, repository, layer),
  };
}

function scratch(platform: Platform): Base {
  return {
    platform,
    config: undefined,
    layers: [],
    repository: undefined,
    open: () => {
      throw new TypeError("Nothing has no layers.");
    },
  };
}

/** The bytes are the same in both worlds; an OCI manifest names them in its own. */
function inOciTypes({ digest, size, mediaType }: Descriptor): Descriptor {
  return { digest, size, mediaType: mediaType === DOCKER.layerGzip ? OCI.layerGzip : mediaType };
}

function defaultsOf(manifests: readonly Descriptor[]): Platform[] {
  const all = manifests.flatMap(({ platform }) => (platform === undefined ? [] : [platform]));
  const usual = all.find((platform) => shown(platform) === "linux/amd64") ?? all[0];
  return usual === undefined ? [platformOf("linux/amd64")] : [usual];
}

function runsOn(found: Platform | undefined, wanted: Platform): boolean {
  if (found?.os !== wanted.os || found.architecture !== wanted.architecture) return false;
  return wanted.variant === undefined || found.variant === wanted.variant;
}

/** `linux/arm64/v8` */
function platformOf(text: string): Platform {
  const [os = "", architecture = "", variant] = text.split("/");
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

function shown({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join("/");
}
