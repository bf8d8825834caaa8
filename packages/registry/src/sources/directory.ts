import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { readSource, tarStream } from "@lockstep/artifact";
import type { Json } from "@lockstep/plugin";
import type { Digest } from "../digest.ts";
import { type Base, readBases } from "../image/base.ts";
import { writeConfig } from "../image/config.ts";
import {
  descriptorOf,
  distinct,
  type Image,
  type ImageBlob,
  writtenManifest,
} from "../image/image.ts";
import { layerArtifact, refuseNames } from "../image/layer-artifact.ts";
import {
  configDescriptor,
  type Descriptor,
  type Platform,
  type RawManifest,
} from "../image/model.ts";
import { type Archive, diffIdOf, later, packLayer } from "../image/pack.ts";
import { NOISE, splitLayers } from "../image/split.ts";
import { OCI } from "../media-types.ts";
import type { DirectorySource } from "../source-options.ts";
import type { Building } from "./building.ts";

/**
 * Makes an image of a folder: each layer is archived and digested; what the live image has already is
 * taken from there, and only what is left is compressed.
 *
 * @throws {LockstepError} `REGISTRY_SOURCE`, `REGISTRY_BASE`, and what the guards of a source refuse
 */
export async function imageOfDirectory(
  building: Building,
  source: DirectorySource,
): Promise<Image> {
  const { ctx, connection } = building;
  const { into = "/app", exclude = [], allow = [] } = source;
  const artifact = await readSource(source.directory, {
    folder: ctx.folder,
    exclude: [...NOISE, ...exclude],
    allow,
    signal: ctx.signal,
  });
  refuseNames(nameOfSource(source), artifact);
  const bases = await readBases(connection, connection.asking(ctx), source);
  const groups = await splitLayers(artifact, source);
  const contents = groups.map(({ name, paths }): Content => {
    const part = layerArtifact(artifact, { paths, into });
    return { name, digest: part.digest, open: (signal) => tarStream(part, { signal }) };
  });
  const held = await building.previous.layers();
  const layers = await inPairs(contents, (content) => layerOf(building, source, { content, held }));
  const images = bases.map((base) => imageFor(building, source, { base, layers }));
  const manifests = images.map(({ manifest }) => manifest);
  return {
    root:
      manifests.length === 1 && manifests[0] !== undefined
        ? manifests[0]
        : indexOf(building, images),
    children: manifests.length === 1 ? [] : manifests,
    blobs: distinct(images.flatMap(({ blobs }) => blobs)),
    materials: [
      { name: nameOfSource(source), digest: artifact.digest },
      ...(source.base === "scratch"
        ? []
        : [
            { name: source.base.slice(0, source.base.indexOf("@")), digest: digestIn(source.base) },
          ]),
    ],
    referrers: [],
    artifact,
  };
}

/** What goes into one layer. */
interface Content extends Archive {
  readonly name: string;
  /** Of the files, before they are archived. */
  readonly digest: string;
}

interface Layer {
  readonly name: string;
  readonly diffId: Digest;
  readonly blob: ImageBlob;
}

async function layerOf(
  { connection, ctx }: Building,
  { compression = "gzip" }: DirectorySource,
  { content, held }: { readonly content: Content; readonly held: ReadonlyMap<string, Descriptor> },
): Promise<Layer> {
  const { name } = content;
  const label = `layer ${name}`;
  const pack = (): ReturnType<typeof packLayer> =>
    connection.once(`${compression} ${content.digest}`, async () =>
      packLayer(content, {
        path: join(await connection.spool(), randomUUID()),
        compression,
        signal: ctx.signal,
      }),
    );
  if (held.size > 0) {
    // computed here and not taken from the registry: a label there could say anything
    const diffId = await connection.once(`archive ${content.digest}`, () =>
      diffIdOf(content, ctx.signal),
    );
    const descriptor = held.get(diffId);
    if (descriptor !== undefined) {
      const open = later(async () => (await pack()).open);
      return { name, diffId, blob: { descriptor, label, action: "reuse", open } };
    }
  }
  const { diffId, descriptor, open } = await pack();
  return { name, diffId, blob: { descriptor, label, action: "upload", open } };
}

interface Built {
  readonly manifest: RawManifest;
  readonly platform: Platform;
  readonly blobs: readonly ImageBlob[];
}

function imageFor(
  { settings, annotations, previous }: Building,
  { run = {}, into = "/app", base: baseName }: DirectorySource,
  { base, layers }: { readonly base: Base; readonly layers: readonly Layer[] },
): Built {
  const bytes = writeConfig({ platform: base.platform, base: base.config, into, run, layers });
  const config = configDescriptor(bytes);
  const manifest = writtenManifest(OCI.manifest, {
    config,
    layers: [...base.layers, ...layers.map(({ blob }) => blob.descriptor)],
    annotations: { ...baseAnnotations(baseName), ...annotations },
  });
  const isNear = base.repository?.host === settings.repository.host;
  const lower = base.layers.map((descriptor): ImageBlob => {
    const open: ImageBlob["open"] = (signal) => base.open(descriptor.digest, signal);
    const label = "layer of the base";
    if (previous.blobs.has(descriptor.digest)) return { descriptor, label, action: "reuse", open };
    return isNear && base.repository !== undefined
      ? { descriptor, label, action: "mount", from: base.repository, open }
      : { descriptor, label, action: "upload", open };
  });
  const own: ImageBlob = {
    descriptor: config,
    label: "config",
    action: previous.blobs.has(config.digest) ? "reuse" : "upload",
    open: async function* open() {
      yield bytes;
    },
  };
  return {
    manifest,
    platform: base.platform,
    blobs: [...lower, ...layers.map(({ blob }) => blob), own],
  };
}

function indexOf({ annotations }: Building, images: readonly Built[]): RawManifest {
  const manifests: Json[] = images.map(({ manifest, platform }) => ({
    ...descriptorOf(manifest),
    platform,
  }));
  return writtenManifest(OCI.index, { manifests, annotations });
}

/** @see OCI image specification, "annotations.md" */
function baseAnnotations(base: string): Record<string, string> {
  if (base === "scratch") return {};
  return {
    "org.opencontainers.image.base.name": base.slice(0, base.indexOf("@")),
    "org.opencontainers.image.base.digest": digestIn(base),
  };
}

function digestIn(reference: string): string {
  return reference.slice(reference.indexOf("@") + 1);
}

function nameOfSource({ directory }: DirectorySource): string {
  return typeof directory === "string" ? directory : `git ${directory.git}`;
}

/** Two at a time: compressing one layer keeps one core busy, and memory is for pieces only. */
async function inPairs<T, R>(items: readonly T[], make: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) {
      results[index] = await make(items[index] as T);
    }
  };
  await Promise.all([work(), work()]);
  return results;
}
