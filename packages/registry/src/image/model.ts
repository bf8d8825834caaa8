import type { Json } from "@lockstep/plugin";
import { type Digest, digestOf, isDigest } from "../digest.ts";
import { isIndexType, MANIFESTS, OCI } from "../media-types.ts";

/** Points at content by its digest. */
export type Descriptor = {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: Platform;
  readonly artifactType?: string;
  /** The content itself, in base64. */
  readonly data?: string;
};

/** Largest content, in bytes, that is put into what points at it: with the history of a base, a config has some. */
const EMBEDDED_BYTES = 16 * 1024;

/**
 * Points at a config, and holds it where it is small: who reads the manifest then need not ask for it.
 *
 * @see OCI image specification, "descriptor.md", section "Embedded Content"
 */
export function configDescriptor(bytes: Buffer): Descriptor {
  const { length: size } = bytes;
  const data = size > EMBEDDED_BYTES ? {} : { data: bytes.toString("base64") };
  return { mediaType: OCI.config, digest: digestOf(bytes), size, ...data };
}

/** What a descriptor holds; undefined when that is nothing, or not what its digest says. */
export function embedded({ data, digest }: Descriptor): Buffer | undefined {
  const bytes = data === undefined ? undefined : Buffer.from(data, "base64");
  return bytes !== undefined && digestOf(bytes) === digest ? bytes : undefined;
}

/** What an image runs on. */
export type Platform = {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
};

/** A manifest as it is stored: its bytes decide. */
export interface RawManifest {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly digest: Digest;
}

/** The manifest of one image. */
export interface ImageManifest {
  readonly kind: "image";
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** The manifest that lists one image for each platform. */
export interface ImageIndex {
  readonly kind: "index";
  readonly manifests: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** Most descriptors in one manifest. */
const MOST_DESCRIPTORS = 10_000;

/**
 * Reads a manifest that may come from anywhere; undefined when it is none that is understood.
 *
 * @see OCI image specification, "manifest.md" and "image-index.md"
 */
export function parseManifest({
  bytes,
  mediaType,
}: RawManifest): ImageManifest | ImageIndex | undefined {
  if (!MANIFESTS.includes(mediaType)) return undefined;
  const value = parseObject(bytes);
  const annotations = textsOf(value?.["annotations"]);
  if (isIndexType(mediaType)) {
    const manifests = descriptorsOf(value?.["manifests"]);
    return manifests === undefined ? undefined : { kind: "index", manifests, annotations };
  }
  const config = descriptorOf(value?.["config"]);
  const layers = descriptorsOf(value?.["layers"]);
  if (config === undefined || layers === undefined) return undefined;
  return { kind: "image", config, layers, annotations };
}

/** What the config of an image says that a deploy needs to know. */
export interface ImageConfig {
  readonly diffIds: readonly string[];
  /** All of it, to be built on. */
  readonly value: Readonly<Record<string, Json | undefined>>;
}

/** Reads the config of an image; undefined when it is none. */
export function parseConfig(bytes: Uint8Array): ImageConfig | undefined {
  const value = parseObject(bytes) as Readonly<Record<string, Json | undefined>> | undefined;
  const rootfs = value?.["rootfs"] as { readonly diff_ids?: unknown } | undefined;
  const ids = rootfs?.diff_ids;
  if (value === undefined || !Array.isArray(ids) || !ids.every(isDigest)) return undefined;
  return { diffIds: ids, value };
}

/** Reads bytes as a JSON object; undefined when they are none. */
export function parseObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(Buffer.from(bytes).toString("utf8")) as unknown;
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function descriptorsOf(value: unknown): Descriptor[] | undefined {
  if (!Array.isArray(value) || value.length > MOST_DESCRIPTORS) return undefined;
  const all = value.map(descriptorOf);
  return all.every((one) => one !== undefined) ? all : undefined;
}

function descriptorOf(value: unknown): Descriptor | undefined {
  const { mediaType, digest, size, annotations, platform, artifactType, data } = (value ??
    {}) as Record<string, unknown>;
  if (typeof mediaType !== "string" || !isDigest(digest)) return undefined;
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) return undefined;
  const place = platformOf(platform);
  return {
    mediaType,
    digest,
    size,
    ...(annotations === undefined ? {} : { annotations: textsOf(annotations) }),
    ...(place === undefined ? {} : { platform: place }),
    ...(typeof artifactType === "string" ? { artifactType } : {}),
    ...(typeof data === "string" ? { data } : {}),
  };
}

function platformOf(value: unknown): Platform | undefined {
  const { os, architecture, variant } = (value ?? {}) as Record<string, unknown>;
  if (typeof os !== "string" || typeof architecture !== "string") return undefined;
  return { os, architecture, ...(typeof variant === "string" ? { variant } : {}) };
}

function textsOf(value: unknown): Record<string, string> {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    ),
  );
}
