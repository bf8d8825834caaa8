import type { PlanContext } from "@lockstep/plugin";
import type { S3Connection } from "./connection.ts";
import { foreignObjects, siteShrunk } from "./errors.ts";
import type { Base } from "./moves.ts";
import { DIGEST_HEADER } from "./object-headers.ts";
import type { S3Settings } from "./options.ts";
import { inParallel } from "./parallel.ts";
import type { SiteRelease } from "./release.ts";

/** Fewest files of a live site for which its shrinking is judged. */
const FEWEST = 10;

/** Refuses a release that lost too many of the live one's files. */
export function refuseShrunk(
  { allow, shrink }: S3Settings,
  { from }: Base,
  release: SiteRelease,
): void {
  const before = from?.files.length ?? 0;
  const after = release.files.length;
  if (allow.includes("shrink") || before < FEWEST) return;
  if (after < before * (1 - shrink)) throw siteShrunk(before, after);
}

/**
 * Refuses a first deploy onto what somebody else put into the bucket. Later ones look at the keys that
 * they replace, when they replace them.
 */
export async function refuseForeign(
  { connection, signal }: PlanContext<S3Connection>,
  { from, also }: Base,
  release: SiteRelease,
): Promise<void> {
  if (from !== null || also !== null) return;
  const { bucket, layout, settings } = connection;
  const wanted = new Set(release.files.map(({ path }) => layout.live(path)));
  const found: string[] = [];
  for await (const { key } of bucket.list(settings.prefix, { signal })) {
    if (wanted.has(key)) found.push(key);
  }
  const foreign: string[] = [];
  await inParallel(found, settings.limits.inFlight, async (key) => {
    const head = await bucket.head(key, { signal });
    // what a deploy that never went live has left is ours
    if (head !== undefined && head.headers[DIGEST_HEADER] === undefined) foreign.push(key);
  });
  if (foreign.length > 0) throw foreignObjects(bucket.name, foreign.toSorted());
}
