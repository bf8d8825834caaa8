import type { WriteContext } from "@lockstep/plugin";
import type { S3Connection } from "../connection.ts";
import { encodeRelease } from "../release-text.ts";
import type { KeptRelease, SiteRelease } from "../release.ts";

/**
 * Writes the list of a release where there is none.
 *
 * @returns The release as it is kept: one that was staged before stays as it is, because others may have read it.
 */
export async function putManifest(
  release: KeptRelease,
  ctx: WriteContext<S3Connection>,
): Promise<SiteRelease> {
  const { connection } = ctx;
  const key = connection.layout.release(release.ref);
  const headers = { "content-type": "application/gzip" };
  const put = { key, body: await encodeRelease(release), absent: true, headers };
  const written = await connection.bucket.put(put, ctx);
  if (written === "refused") return connection.release(release.ref, ctx.signal);
  connection.remember(release);
  return release;
}
