import { randomUUID } from "node:crypto";
import { join, resolve } from "node:path";
import { type Digest, digester, digestOf, isDigest } from "../digest.ts";
import { archiveUnfit } from "../errors.ts";
import { distinct, type Image, type ImageBlob, writtenManifest } from "../image/image.ts";
import {
  configDescriptor,
  type Descriptor,
  parseConfig,
  parseManifest,
  parseObject,
  type RawManifest,
} from "../image/model.ts";
import { diffIdOf, later, packLayer } from "../image/pack.ts";
import { OCI } from "../media-types.ts";
import type { Building } from "./building.ts";
import { archiveFiles, type Files, folderFiles } from "./files.ts";

/** Most bytes of a manifest or config that is read from an archive. */
const DOCUMENT_BYTES = 8 * 1024 * 1024;
/** How deep an index may list other indexes. */
const DEEPEST = 3;

/**
 * Takes an image as it is from a folder in the OCI layout.
 *
 * @throws {LockstepError} `REGISTRY_ARCHIVE`
 * @see OCI image specification, "image-layout.md"
 */
export async function imageOfLayout(
  building: Building,
  { ociLayout, ref }: { readonly ociLayout: string; readonly ref?: string },
): Promise<Image> {
  return imageOfFiles(building, await folderFiles(resolve(building.ctx.folder, ociLayout)), ref);
}

/**
 * Takes the image of a `docker save` file: in the OCI layout, as newer versions write it, or in the older
 * one, whose layers are compressed here.
 *
 * @throws {LockstepError} `REGISTRY_ARCHIVE`
 * @see Docker, "Docker Image Specification v1.2.0", `manifest.json`
 */
export async function imageOfArchive(
  building: Building,
  { dockerArchive }: { readonly dockerArchive: string },
): Promise<Image> {
  const files = await archiveFiles(resolve(building.ctx.folder, dockerArchive));
  const hasLayout = (await files.size("index.json")) !== undefined;
  return hasLayout ? imageOfFiles(building, files, undefined) : imageOfSave(building, files);
}

async function imageOfFiles(
  building: Building,
  files: Files,
  ref: string | undefined,
): Promise<Image> {
  const bytes = await documentOf(files, "index.json");
  const top = parseManifest({ bytes, mediaType: OCI.index, digest: digestOf(bytes) });
  const listed = top?.kind === "index" ? top.manifests : [];
  const named = listed.filter(
    ({ annotations = {} }) =>
      ref === undefined || annotations["org.opencontainers.image.ref.name"] === ref,
  );
  const [chosen] = named;
  if (chosen === undefined || named.length > 1) {
    const hint = ref === undefined ? "" : ` called ${ref}`;
    throw archiveUnfit(files.name, `it holds ${named.length} images${hint}, one is wanted`);
  }
  const manifests: RawManifest[] = [];
  const blobs = await walk(building, { files, manifests }, { descriptor: chosen, depth: 1 });
  const root = manifests.at(-1);
  if (root === undefined) throw archiveUnfit(files.name, "it holds no image");
  return {
    root,
    children: manifests.slice(0, -1),
    blobs: distinct(blobs),
    materials: [{ name: files.name.slice(files.name.lastIndexOf("/") + 1), digest: root.digest }],
    referrers: [],
  };
}

interface Walk {
  readonly files: Files;
  readonly manifests: RawManifest[];
}

async function walk(
  building: Building,
  { files, manifests }: Walk,
  { descriptor, depth }: { readonly descriptor: Descriptor; readonly depth: number },
): Promise<ImageBlob[]> {
  const { digest, mediaType } = descriptor;
  if (depth > DEEPEST) throw archiveUnfit(files.name, "it lists more than any image does");
  const bytes = await documentOf(files, pathOf(digest));
  if (digestOf(bytes) !== digest) throw archiveUnfit(files.name, `${digest} holds something else`);
  const raw = { bytes, mediaType, digest };
  const manifest = parseManifest(raw);
  if (manifest === undefined)
    throw archiveUnfit(files.name, `${digest} is of the unknown type ${mediaType}`);
  const blobs: ImageBlob[] = [];
  if (manifest.kind === "index") {
    for (const child of manifest.manifests) {
      const next = { descriptor: child, depth: depth + 1 };
      blobs.push(...(await walk(building, { files, manifests }, next)));
    }
  } else {
    for (const part of [manifest.config, ...manifest.layers]) {
      await checkBlob(building, files, part);
      blobs.push(blobOf(building, files, part));
    }
  }
  if (!manifests.some((one) => one.digest === digest)) manifests.push(raw);
  return blobs;
}

/** Read once in a run: what the file is called proves nothing. */
async function checkBlob(
  { connection }: Building,
  files: Files,
  { digest, size }: Descriptor,
): Promise<void> {
  const found = await files.size(pathOf(digest));
  if (found !== size)
    throw archiveUnfit(files.name, `${digest} has ${found ?? "no"} bytes, not ${size}`);
  await connection.once(`file ${files.name} ${digest}`, async () => {
    const sum = digester();
    for await (const piece of files.open(pathOf(digest))) sum.update(piece);
    if (sum.finish().digest !== digest)
      throw archiveUnfit(files.name, `${digest} holds something else`);
  });
}

function blobOf({ previous }: Building, files: Files, descriptor: Descriptor): ImageBlob {
  const { digest } = descriptor;
  return {
    descriptor,
    label: "layer",
    action: previous.blobs.has(digest) ? "reuse" : "upload",
    open: () => files.open(pathOf(digest)),
  };
}

function pathOf(digest: Digest): string {
  return `blobs/${digest.replace(":", "/")}`;
}

async function documentOf(files: Files, path: string): Promise<Buffer> {
  const size = await files.size(path);
  if (size === undefined) throw archiveUnfit(files.name, `it has no ${path}`);
  if (size > DOCUMENT_BYTES) throw archiveUnfit(files.name, `${path} is too large`);
  const pieces: Uint8Array[] = [];
  for await (const piece of files.open(path)) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function imageOfSave(building: Building, files: Files): Promise<Image> {
  const list = parseList(await documentOf(files, "manifest.json"));
  const [image] = list;
  if (image === undefined || list.length > 1) {
    throw archiveUnfit(files.name, `it holds ${list.length} images, one is wanted`);
  }
  const bytes = await documentOf(files, image.config);
  const read = parseConfig(bytes);
  if (read === undefined || read.diffIds.length !== image.layers.length) {
    throw archiveUnfit(files.name, "its config does not fit its layers");
  }
  const held = await building.previous.layers();
  const layers: ImageBlob[] = [];
  for (const [index, path] of image.layers.entries()) {
    const diffId = read.diffIds[index] ?? "";
    layers.push(await savedLayer(building, files, { path, diffId, held: held.get(diffId) }));
  }
  const config = configDescriptor(bytes);
  const root = writtenManifest(OCI.manifest, {
    config,
    layers: layers.map(({ descriptor }) => descriptor),
    annotations: building.annotations,
  });
  const configBlob: ImageBlob = {
    descriptor: config,
    label: "config",
    action: building.previous.blobs.has(config.digest) ? "reuse" : "upload",
    open: async function* open() {
      yield bytes;
    },
  };
  return {
    root,
    children: [],
    blobs: distinct([...layers, configBlob]),
    materials: [{ name: files.name.slice(files.name.lastIndexOf("/") + 1), digest: config.digest }],
    referrers: [],
  };
}

interface Saved {
  readonly path: string;
  /** Of the archive, as the config says. */
  readonly diffId: string;
  /** The same layer, as the live image has it. */
  readonly held: Descriptor | undefined;
}

async function savedLayer(
  { connection, ctx: { signal } }: Building,
  files: Files,
  { path, diffId, held }: Saved,
): Promise<ImageBlob> {
  if ((await files.size(path)) === undefined)
    throw archiveUnfit(files.name, `it has no file ${path}`);
  const archive = { open: () => files.open(path) };
  const checked = <T extends { readonly diffId: string }>(read: T): T => {
    if (read.diffId === diffId) return read;
    throw archiveUnfit(files.name, `${path} is not the layer ${diffId}`);
  };
  const pack = async (): ReturnType<typeof packLayer> =>
    connection.once(`saved ${files.name} ${diffId}`, async () => {
      const place = join(await connection.spool(), randomUUID());
      return checked(await packLayer(archive, { path: place, compression: "gzip", signal }));
    });
  const label = "layer";
  if (held === undefined) {
    const { descriptor, open } = await pack();
    return { descriptor, label, action: "upload", open };
  }
  await connection.once(`read ${files.name} ${diffId}`, async () =>
    checked({ diffId: await diffIdOf(archive, signal) }),
  );
  const open = later(async () => (await pack()).open);
  return { descriptor: held, label, action: "reuse", open };
}

function parseList(
  bytes: Buffer,
): { readonly config: string; readonly layers: readonly string[] }[] {
  const list = parseObject(Buffer.concat([Buffer.from('{"list":'), bytes, Buffer.from("}")]))?.[
    "list"
  ];
  return (Array.isArray(list) ? list : []).flatMap((one: unknown) => {
    const { Config: config, Layers: layers } = (one ?? {}) as Record<string, unknown>;
    const isFit = typeof config === "string" && Array.isArray(layers) && layers.every(isText);
    return isFit && !isDigest(config) ? [{ config, layers }] : [];
  });
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}
