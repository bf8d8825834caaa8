import type { Artifact } from "@lockstep/artifact";
import { canonicalJson, type Json } from "@lockstep/plugin";
import { digestOf } from "../digest.ts";
import { nameOf, type Repository } from "../reference.ts";
import type { Descriptor, RawManifest } from "./model.ts";

/** A blob of an image, and how it gets into the repository. */
export interface ImageBlob {
  readonly descriptor: Descriptor;
  /** For plans: `layer app`, `config`. */
  readonly label: string;
  /** `reuse`: the image that is live now has it, in the same repository. */
  readonly action: "reuse" | "mount" | "upload";
  /** Where a registry may take it from itself. */
  readonly from?: Repository;
  open(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** An image that is ready to be pushed. */
export interface Image {
  /** What tags will point at: a manifest, or an index of several. */
  readonly root: RawManifest;
  /** Manifests the root lists, innermost first. */
  readonly children: readonly RawManifest[];
  /** Each once. */
  readonly blobs: readonly ImageBlob[];
  /** What it was made of, for lists and statements. */
  readonly materials: readonly Material[];
  /** Manifests that speak of the root, taken along from where the image was. */
  readonly referrers: readonly RawManifest[];
  /** The files it was made of, where it was made here. */
  readonly artifact?: Artifact;
}

/** Something an image was made of. */
export interface Material {
  readonly name: string;
  readonly digest: string;
}

/** A manifest whose bytes are the one text of its value. */
export function writtenManifest(
  mediaType: string,
  value: Readonly<Record<string, Json>>,
): RawManifest {
  const bytes = Buffer.from(canonicalJson({ schemaVersion: 2, mediaType, ...value }));
  return { bytes, mediaType, digest: digestOf(bytes) };
}

/** Points at a manifest. */
export function descriptorOf({ bytes, mediaType, digest }: RawManifest): Descriptor {
  return { mediaType, digest, size: bytes.length };
}

/** Each blob once, the best way of getting it first. */
export function distinct(blobs: readonly ImageBlob[]): ImageBlob[] {
  const rank = { reuse: 0, mount: 1, upload: 2 };
  const found = new Map<string, ImageBlob>();
  for (const blob of blobs) {
    const known = found.get(blob.descriptor.digest);
    if (known === undefined || rank[blob.action] < rank[known.action]) {
      found.set(blob.descriptor.digest, blob);
    }
  }
  return [...found.values()];
}

/** `ghcr.io/acme/shop@sha256:…` */
export function pinnedName(repository: Repository, digest: string): string {
  return `${nameOf(repository)}@${digest}`;
}
