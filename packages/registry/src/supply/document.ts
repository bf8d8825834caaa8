import { canonicalJson, type Json, type WriteContext } from "@lockstep/plugin";
import { pushBlob } from "../client/blobs.ts";
import { putReferrer } from "../client/referrers.ts";
import type { RegistryConnection } from "../connection.ts";
import { digestOf } from "../digest.ts";
import { descriptorOf, writtenManifest } from "../image/image.ts";
import type { RawManifest } from "../image/model.ts";
import { OCI } from "../media-types.ts";

/** Something that is said of an image. */
export interface Document {
  /** Media type: `application/vnd.cyclonedx+json`. */
  readonly type: string;
  readonly document: Json;
  /** On the manifest, and so in the list of what goes with the image. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * Stores a document and lets it refer to an image.
 *
 * @see OCI image specification, "manifest.md", section "Guidelines for Artifact Usage"
 */
export async function attachDocument(
  ctx: WriteContext<RegistryConnection>,
  root: RawManifest,
  { type, document, annotations = {} }: Document,
): Promise<void> {
  const { repository } = ctx.connection.settings;
  const asking = ctx.connection.asking(ctx);
  const bytes = Buffer.from(canonicalJson(document));
  const empty = Buffer.from("{}");
  const [blob, config] = [bytes, empty].map((content) => ({
    digest: digestOf(content),
    size: content.length,
    async *open() {
      yield content;
    },
  }));
  if (blob === undefined || config === undefined) return;
  await pushBlob(asking, blob, { repository });
  await pushBlob(asking, config, { repository });
  const referrer = writtenManifest(OCI.manifest, {
    artifactType: type,
    config: { mediaType: OCI.empty, digest: config.digest, size: config.size },
    layers: [{ mediaType: type, digest: blob.digest, size: blob.size }],
    subject: descriptorOf(root),
    annotations,
  });
  await putReferrer(asking, repository, { referrer, subject: root.digest });
}
