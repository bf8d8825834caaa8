import type { WriteContext } from "@lockstep/plugin";
import { createBudget } from "../budget.ts";
import { assetClash, foreignObjects } from "../errors.ts";
import { storedHeaders, whichOf } from "../moves.ts";
import { DIGEST_HEADER } from "../object-headers.ts";
import { inParallel } from "../parallel.ts";
import { isSameFile, isSameHeaders, type SiteFile, type SiteRelease } from "../release.ts";
import { isLarge, type Site } from "../site.ts";
import { tellEvery } from "../telling.ts";
import type { RoutedConnection } from "./connection.ts";
import { assetsOf, documentsOf } from "./documents.ts";

/** What is sent, and what was live before it. */
export interface Sending {
  readonly release: SiteRelease;
  readonly from: SiteRelease | null;
}

/** One object to be. */
interface Job {
  readonly file: SiteFile;
  readonly key: string;
  /** Where the same bytes may be in the bucket. */
  readonly copyFrom?: string | undefined;
}

/** Bytes of files that are held at once while they are sent. */
const MOST_HELD = 64 * 1024 * 1024;

/** From so many bytes on an unchanged document is copied: below, a look and a copy cost more than sending it. */
const COPIED_FROM = 128 * 1024;

/** Sends what the bucket lacks of a release, and looks at whatever is there already. */
export async function send(
  site: Site,
  sending: Sending,
  ctx: WriteContext<RoutedConnection>,
): Promise<void> {
  const { settings } = ctx.connection;
  const present = await presentKeys(sending.release, ctx);
  const jobs = jobsOf(sending, ctx.connection);
  const totalBytes = jobs.reduce((sum, { file }) => sum + file.size, 0);
  const budget = createBudget(MOST_HELD);
  const tell = tellEvery(ctx, jobs.length);
  let [bytes, items] = [0, 0];
  await inParallel(jobs, settings.limits.inFlight, async (job) => {
    const { size } = job.file;
    const held = isLarge(size, settings.limits) ? 2 * settings.limits.partBytes : size;
    const written = present.has(job.key)
      ? "refused"
      : await budget.run(held, () => sendOne(site, job, ctx));
    if (written === "refused") await recognize(job, ctx);
    bytes += size;
    items += 1;
    tell({ bytes, totalBytes, items });
  });
}

function jobsOf({ release, from }: Sending, connection: RoutedConnection): readonly Job[] {
  const documents = documentsOf(release).map((file): Job => {
    const before = from?.byPath.get(file.path);
    const isCopy =
      from !== null &&
      from.ref !== release.ref &&
      file.size >= COPIED_FROM &&
      before?.inPlace === false &&
      isSameFile(before, file);
    return {
      file,
      key: connection.document(release.ref, file.path),
      copyFrom: isCopy ? connection.document(from.ref, file.path) : undefined,
    };
  });
  const assets = assetsOf(release)
    .filter(({ path }) => from?.byPath.get(path)?.inPlace !== true)
    .map((file): Job => ({ file, key: connection.asset(file.path) }));
  return [...documents, ...assets].toSorted((a, b) => b.file.size - a.file.size); // nothing big is left for the end
}

/** What an earlier try has left. */
async function presentKeys(
  { ref }: SiteRelease,
  { connection, signal }: WriteContext<RoutedConnection>,
): Promise<ReadonlySet<string>> {
  const keys = new Set<string>();
  const prefix = connection.document(ref, "");
  for await (const { key } of connection.bucket.list(prefix, { signal })) keys.add(key);
  return keys;
}

async function sendOne(
  site: Site,
  { file, key, copyFrom }: Job,
  ctx: WriteContext<RoutedConnection>,
): Promise<unknown> {
  const { bucket, settings } = ctx.connection;
  const headers = storedHeaders(file);
  if (copyFrom !== undefined) {
    const head = await bucket.head(copyFrom, ctx);
    const isWhole = head !== undefined && whichOf(head, [file]) !== undefined;
    if (isWhole && (await bucket.copy({ from: copyFrom, to: key, headers }, ctx)) === "copied")
      return "copied";
  }
  if (isLarge(file.size, settings.limits)) {
    const pieces = site.pieces(file, ctx.signal);
    const { partBytes } = settings.limits;
    return bucket.putLarge({ key, headers, partBytes, pieces }, ctx);
  }
  const body = await site.read(file, ctx.signal);
  return bucket.put({ key, body, sha256: file.sha256, absent: true, headers }, ctx);
}

/** Something is there: our own lost try, what an earlier release left, or somebody else's. */
async function recognize(
  { file, key }: Job,
  { connection, signal }: WriteContext<RoutedConnection>,
): Promise<void> {
  const { bucket } = connection;
  const head = await bucket.head(key, { signal });
  const isOurs = head?.headers[DIGEST_HEADER] !== undefined;
  if (head === undefined || !isOurs) throw foreignObjects(bucket.name, [key]);
  const isSame = whichOf(head, [file]) !== undefined;
  // an asset may be on pages that are open: under its name it stays as it is, headers too
  if (!isSame || !isSameHeaders(head.headers, storedHeaders(file))) throw assetClash([key]);
}
