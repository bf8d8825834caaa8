import { type Json, sourceChanged, type Step, type WriteContext } from "@lockstep/plugin";
import type { Asking } from "../client/asking.ts";
import { hasBlob, pushBlob } from "../client/blobs.ts";
import { getManifest, putManifest } from "../client/manifests.ts";
import { putReferrer } from "../client/referrers.ts";
import type { RegistryConnection } from "../connection.ts";
import { answerUnexpected, contentWrong, sourceUnfit } from "../errors.ts";
import { type Image, type ImageBlob, pinnedName } from "../image/image.ts";
import { parseObject, type RawManifest } from "../image/model.ts";
import { nameOf } from "../reference.ts";
import type { ImageSource } from "../source-options.ts";
import { buildImage } from "../sources/build.ts";
import { readPrevious } from "../sources/previous.ts";
import { shownSource } from "../sources/shown.ts";
import { attach } from "../supply/attach.ts";

/** Which image is pushed. */
export type StageInput = {
  /** `ghcr.io/acme/shop` */
  readonly repository: string;
  /** Digest that was planned. */
  readonly digest: string;
  readonly source: ImageSource;
  readonly annotations: Readonly<Record<string, string>>;
  /** The image that was live when it was planned: its layers need not be sent again. */
  readonly previous: string | null;
};

/**
 * Brings an image into the repository, by digest alone: nobody who pulls a tag sees it. What is addressed
 * by its digest may stay when the run is put back; the registry's own collection takes it.
 */
export const stage: Step<StageInput, null, { digest: string }, RegistryConnection> = {
  kind: "registry.stage/1",

  describe({ repository, digest }) {
    return `push ${repository}@${digest}`;
  },

  async inspect() {
    return null;
  },

  async apply(input, _before, ctx) {
    const { connection } = ctx;
    const asking = connection.asking(ctx);
    const image = await planned(input, ctx);
    await pushBlobs(asking, connection, image);
    for (const manifest of [...image.children, image.root]) {
      await pushManifest(asking, connection, { image, manifest });
    }
    await readBack(asking, connection, image.root);
    await refer(asking, connection, image);
    await attach(ctx, image);
    return { digest: image.root.digest };
  },
};

async function planned(
  { source, annotations, digest, previous }: StageInput,
  ctx: WriteContext<RegistryConnection>,
): Promise<Image> {
  const { connection } = ctx;
  const asking = connection.asking(ctx);
  const { settings } = connection;
  const image = await buildImage(
    {
      ctx,
      connection,
      settings,
      annotations,
      previous: await readPrevious(connection, asking, { digest: previous }),
    },
    source,
  );
  if (image.root.digest === digest) return image;
  throw sourceChanged(shownSource(source), { wanted: digest, found: image.root.digest });
}

/** Largest first, so that the small ones fill the gaps. */
async function pushBlobs(
  asking: Asking,
  { settings: { repository, limits, resumeUploads: resumes } }: RegistryConnection,
  image: Image,
): Promise<void> {
  const missing = image.blobs
    .filter(({ action }) => action !== "reuse")
    .toSorted((left, right) => right.descriptor.size - left.descriptor.size);
  const totalBytes = missing.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
  let bytes = 0;
  let failed = false;
  const queue = missing.values();
  const work = async (): Promise<void> => {
    for (const blob of queue) {
      if (failed) return;
      await pushBlob(asking, contentOf(blob), { repository, from: blob.from, resumes });
      bytes += blob.descriptor.size;
      asking.ctx.progress({ bytes, totalBytes });
    }
  };
  const all = Array.from({ length: limits.uploads }, () =>
    work().catch((error: unknown) => {
      failed = true;
      throw error;
    }),
  );
  // what is under way is waited for: nothing may still be sent when the step has ended
  await Promise.allSettled(all);
  await Promise.all(all);
}

function contentOf({ descriptor, open }: ImageBlob): Parameters<typeof pushBlob>[1] {
  return { digest: descriptor.digest, size: descriptor.size, open };
}

/** A registry may have lost, or never had, what was thought to be there: it names it, and gets it. */
async function pushManifest(
  asking: Asking,
  { settings: { repository } }: RegistryConnection,
  { image, manifest }: { readonly image: Image; readonly manifest: RawManifest },
): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    const put = await putManifest(asking, { repository, manifest, reference: manifest.digest });
    if (!("missing" in put)) return;
    const named = image.blobs.filter(({ descriptor }) => descriptor.digest === put.missing);
    // a registry that does not say which: all are looked at
    const lost = put.missing === "" ? image.blobs : named;
    if (lost.length === 0 || tries > image.blobs.length) {
      const what = put.missing === "" ? "a blob" : put.missing;
      throw sourceUnfit(
        pinnedName(repository, manifest.digest),
        `names ${what}, which it does not hold`,
      );
    }
    for (const blob of lost) {
      if (put.missing === "" && (await hasBlob(asking, repository, blob.descriptor.digest)))
        continue;
      await pushBlob(asking, contentOf(blob), { repository });
    }
  }
}

/** The tag is moved to what the registry holds, and that may not be what it was sent. */
async function readBack(
  asking: Asking,
  { once, settings: { repository } }: RegistryConnection,
  { digest }: RawManifest,
): Promise<void> {
  await once(`staged ${digest}`, async () => {
    const raw = await getManifest(asking, repository, digest);
    if (raw === undefined) throw contentWrong(pinnedName(repository, digest), digest, "nothing");
    return raw;
  });
}

async function refer(
  asking: Asking,
  { settings: { repository } }: RegistryConnection,
  { referrers, root }: Image,
): Promise<void> {
  for (const referrer of referrers) {
    const subject = (parseObject(referrer.bytes)?.["subject"] as { digest?: Json } | undefined)
      ?.digest;
    if (subject !== root.digest) {
      throw answerUnexpected({
        request: `the list of what goes with ${nameOf(repository)}`,
        status: 200,
        complaints: [
          { code: "", message: `it names ${referrer.digest}, which does not`, detail: "" },
        ],
      });
    }
    await putReferrer(asking, repository, { referrer, subject: root.digest });
  }
}
