import { canonicalJson, type Json, type WriteContext } from "@lockstep/plugin";
import { pushBlob } from "../client/blobs.ts";
import { putReferrer } from "../client/referrers.ts";
import type { RegistryConnection } from "../connection.ts";
import { digestOf } from "../digest.ts";
import { descriptorOf, type Image, writtenManifest } from "../image/image.ts";
import { OCI } from "../media-types.ts";
import { nameOf } from "../reference.ts";
import { provenanceOf } from "./provenance.ts";
import { sbomOf } from "./sbom.ts";
import { signImage } from "./sign.ts";

/**
 * Attaches what the config wants to an image that is in the repository already: nobody finds it before
 * the image is there. The signature comes last.
 */
export async function attach(ctx: WriteContext<RegistryConnection>, image: Image): Promise<void> {
  const { attach: wanted, repository } = ctx.connection.settings;
  const name = nameOf(repository);
  if (wanted.sbom === true) {
    const document = await sbomOf(image, { name, signal: ctx.signal });
    await attachDocument(ctx, image, { type: "application/vnd.cyclonedx+json", document });
  }
  if (wanted.provenance === true) {
    const document = provenanceOf(image, { name, run: ctx.run, release: ctx.release });
    await attachDocument(ctx, image, { type: "application/vnd.in-toto+json", document });
  }
  if (wanted.signingKey !== undefined) await signImage(ctx, image.root, wanted.signingKey);
}

/** @see OCI image specification, "manifest.md", section "Guidelines for Artifact Usage" */
async function attachDocument(
  ctx: WriteContext<RegistryConnection>,
  { root }: Image,
  { type, document }: { readonly type: string; readonly document: Json },
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
    annotations: {},
  });
  await putReferrer(asking, repository, { referrer, subject: root.digest });
}
