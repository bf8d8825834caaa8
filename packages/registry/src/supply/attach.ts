import type { WriteContext } from "@lockstep/plugin";
import type { RegistryConnection } from "../connection.ts";
import type { Image } from "../image/image.ts";
import { nameOf } from "../reference.ts";
import { attachDocument } from "./document.ts";
import { signKeyless } from "./keyless.ts";
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
    await attachDocument(ctx, image.root, { type: "application/vnd.cyclonedx+json", document });
  }
  if (wanted.provenance === true) {
    const document = provenanceOf(image, { name, run: ctx.run, release: ctx.release });
    await attachDocument(ctx, image.root, { type: "application/vnd.in-toto+json", document });
  }
  if (wanted.signingKey !== undefined) await signImage(ctx, image.root, wanted.signingKey);
  if (wanted.keyless !== undefined) await signKeyless(ctx, image.root, wanted.keyless);
}
