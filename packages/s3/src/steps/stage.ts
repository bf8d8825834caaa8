import { sourceChanged, type Step, type WriteContext } from "@lockstep/plugin";
import { createBudget } from "../budget.ts";
import type { S3Connection } from "../connection.ts";
import { assetClash, foreignObjects, releaseGone } from "../errors.ts";
import { settle, type Staging, stagingOf, storedHeaders, whichOf } from "../moves.ts";
import { DIGEST_HEADER } from "../object-headers.ts";
import { inParallel } from "../parallel.ts";
import { isSameHeaders, keptRelease, type SiteFile } from "../release.ts";
import { isLarge, makeSite, readFiles, type Site } from "../site.ts";
import { tellEvery } from "../telling.ts";
import { baseOf, shortRef } from "./base.ts";
import { putManifest } from "./put-manifest.ts";

/** Which release is staged, and over which. */
export type StageInput = {
  /** Name of the release: the digest of its files. */
  readonly release: string;
  /** What was live when it was planned; null on a first deploy. */
  readonly from: string | null;
  /** The release a run that did not end was moving to. */
  readonly also: string | null;
};

/**
 * Sends what the bucket lacks of a release. Everything is addressed by its digest or has a new name, so
 * that no visitor sees it and another try finds it; what is never made live is left to retire.
 */
export const stage: Step<StageInput, null, null, S3Connection> = {
  kind: "s3.stage/1",

  describe: ({ release }) => `send what the bucket lacks of ${shortRef(release)}`,

  inspect: async () => null,

  async apply(input, _before, ctx) {
    const { connection, signal } = ctx;
    const base = await baseOf(connection, input, signal);
    const site = await plannedSite(input, ctx);
    await sayBegun(ctx);
    // first of all: what is not named by a manifest is never removed again
    const release = await putManifest(keptRelease(settle(site.release, base), site.made), ctx);
    const staging = stagingOf(release, base, connection.settings.entries);
    await keep(staging, ctx);
    await send(site, staging, ctx);
    connection.site = undefined; // what comes now needs the release alone
    return null;
  },
};

/** From now on somebody has to look for what was staged, until it is live; fencing said so already. */
async function sayBegun(ctx: WriteContext<S3Connection>): Promise<void> {
  const { control } = ctx.connection;
  const pointer = await control.known(ctx);
  if (pointer.begun !== undefined) return;
  await control.write({ ...pointer, stamp: ctx.stamp, begun: ctx.stamp.run }, ctx);
}

/** Bytes of files that are held at once while they are sent. */
const MOST_HELD = 64 * 1024 * 1024;

/**
 * The site that was planned, read again where another process planned it.
 *
 * @throws {LockstepError} `SOURCE_CHANGED`
 */
export async function plannedSite(
  { release: wanted }: Pick<StageInput, "release">,
  ctx: WriteContext<S3Connection>,
): Promise<Site> {
  const { connection } = ctx;
  const known = connection.site;
  if (known?.release.ref === wanted) return known;
  const { settings } = connection;
  const site = await makeSite(settings, await readFiles(settings, ctx), ctx);
  const { ref: found } = site.release;
  if (found !== wanted) throw sourceChanged("The site", { wanted, found });
  return site;
}

/** What is under its own key alone is copied where it can be taken from on the way back. */
async function keep({ keeps }: Staging, ctx: WriteContext<S3Connection>): Promise<void> {
  const { bucket, layout, settings } = ctx.connection;
  await inParallel(keeps, settings.limits.inFlight, async (file) => {
    const from = layout.live(file.path);
    const head = await bucket.head(from, ctx);
    if (head === undefined) throw releaseGone("The live release", from);
    if (whichOf(head, [file]) === undefined) throw foreignObjects(bucket.name, [from]);
    const [to, headers] = [layout.blob(file.sha256), storedHeaders(file)];
    const copied = await bucket.copy({ from, fromEtag: head.etag, to, headers }, ctx);
    // what somebody put there since the look must not be kept under the name of what was
    if (copied !== "copied") throw foreignObjects(bucket.name, [from]);
  });
}

/** Sends files where there is nothing, and looks at whatever is there already. */
export async function send(
  site: Site,
  { creates, uploads }: Staging,
  ctx: WriteContext<S3Connection>,
): Promise<void> {
  const { layout, settings } = ctx.connection;
  const isBlob = blobsAmong(uploads);
  // the longest first: nothing big is left for the end
  const files = [...uploads, ...creates].toSorted((a, b) => b.size - a.size);
  const totalBytes = files.reduce((sum, { size }) => sum + size, 0);
  const tell = tellEvery(ctx, files.length);
  const { conditions } = await ctx.connection.control.known(ctx);
  const { partBytes } = settings.limits;
  const isBlind = conditions?.verdict === "ignored";
  const budget = createBudget(MOST_HELD);
  let [bytes, items] = [0, 0];
  await inParallel(files, settings.limits.inFlight, async (file) => {
    const key = isBlob(file) ? layout.blob(file.sha256) : layout.live(file.path);
    const isWhole = !isLarge(file.size, settings.limits);
    const written = await budget.run(isWhole ? file.size : 2 * partBytes, async () => {
      if (!isWhole) return sendLarge(site, { file, key }, ctx);
      // a server that ignores conditions would write over whatever is there
      if (isBlind && (await ctx.connection.bucket.head(key, ctx)) !== undefined) return "refused";
      const body = await site.read(file, ctx.signal);
      const put = { key, body, sha256: file.sha256, absent: true, headers: storedHeaders(file) };
      return ctx.connection.bucket.put(put, ctx);
    });
    if (written === "refused") await recognize(file, key, ctx);
    bytes += file.size;
    items += 1;
    tell({ bytes, totalBytes, items });
  });
}

/** Tells uploads from what is created. A release that was kept may say of an upload that it was in place then. */
function blobsAmong(uploads: readonly SiteFile[]): (file: SiteFile) => boolean {
  const onceInPlace = new Set(uploads.filter(({ inPlace }) => inPlace));
  return (file) => !file.inPlace || onceInPlace.has(file);
}

/** Only what is not there: an upload in parts takes long. */
async function sendLarge(
  site: Site,
  { file, key }: { readonly file: SiteFile; readonly key: string },
  ctx: WriteContext<S3Connection>,
): Promise<void> {
  const { bucket, settings } = ctx.connection;
  const head = await bucket.head(key, ctx);
  if (head !== undefined && whichOf(head, [file]) !== undefined) return;
  const { partBytes } = settings.limits;
  const pieces = site.pieces(file, ctx.signal);
  await bucket.putLarge({ key, headers: storedHeaders(file), partBytes, pieces }, ctx);
}

/** Something is there: our own lost try, what an earlier release left, or somebody else's. */
async function recognize(
  file: SiteFile,
  key: string,
  ctx: WriteContext<S3Connection>,
): Promise<void> {
  const { bucket } = ctx.connection;
  const head = await bucket.head(key, ctx);
  if (head === undefined || whichOf(head, [file]) === undefined) {
    const isOurs = head?.headers[DIGEST_HEADER] !== undefined;
    throw isOurs ? assetClash([key]) : foreignObjects(bucket.name, [key]);
  }
  const wanted = storedHeaders(file);
  // no page of the live release asks for it, or it would not have been sent
  if (!isSameHeaders(head.headers, wanted)) {
    await bucket.copy({ from: key, to: key, headers: wanted }, ctx);
  }
}
