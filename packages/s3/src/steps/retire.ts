import { type Retire, type WriteContext } from "@lockstep/plugin";
import type { S3Connection } from "../connection.ts";
import { whichOf } from "../moves.ts";
import { inParallel } from "../parallel.ts";
import type { PastRelease, Pointer } from "../pointer.ts";
import type { SiteFile } from "../release.ts";
import { conditions } from "./publish.ts";

/** What stays. */
export type RetireInput = {
  /** The release that is live now. */
  readonly release: string;
  /** Releases that are kept, the live one included; and for how many days more may be kept. */
  readonly releases: number;
  readonly days: number;
};

const DAY_MS = 86_400_000;

/**
 * Removes what only releases had which are no longer kept. Open pages find the assets of every kept
 * release; what Lockstep did not write stays.
 */
export const retire: Retire<RetireInput, S3Connection> = {
  kind: "s3.retire/1",

  describe: ({ releases, days }) =>
    `remove releases beyond ${releases} that are older than ${days} days`,

  async retire(input, ctx) {
    const { control } = ctx.connection;
    const isIdle = (pointer: Pointer): boolean =>
      pointer.begun === undefined &&
      pastKept(pointer, input, ctx.now()).length === pointer.past.length;
    if (isIdle(await control.known(ctx))) return; // most runs: nobody is asked anything
    const pointer = await control.read(ctx);
    control.refuseOlder(pointer, ctx.stamp);
    const { live, made, moving } = pointer;
    if (live !== input.release || moving !== undefined) return; // somebody came after
    const past = pastKept(pointer, input, ctx.now());
    const swept = { live, made, past, stamp: ctx.stamp };
    if (past.length < pointer.past.length) {
      // first the list: nobody may return to a release that is half gone
      await control.write({ ...swept, begun: pointer.begun ?? ctx.stamp.run }, ctx);
    }
    await sweep([live, ...past.map(({ ref }) => ref)], ctx);
    await control.write({ ...swept, begun: undefined }, ctx);
  },
};

/** Also after a rollback the releases that were live last are kept. */
function pastKept({ past }: Pointer, { releases, days }: RetireInput, now: number): PastRelease[] {
  return past.filter(({ until }, index) => index + 1 < releases || now - until < days * DAY_MS);
}

/** Removes what only releases have that are not kept; a manifest goes after all that it names. */
async function sweep(kept: readonly string[], ctx: WriteContext<S3Connection>): Promise<void> {
  const { connection, signal } = ctx;
  const { bucket, layout } = connection;
  const gone: string[] = [];
  for await (const { key } of bucket.list(layout.releases, { signal })) {
    const ref = layout.refOf(key);
    if (ref !== undefined && !kept.includes(ref)) gone.push(ref);
  }
  if (gone.length === 0) return;
  const [paths, blobs] = [new Set<string>(), new Set<string>()];
  for (const ref of kept) {
    for (const { path, sha256 } of (await connection.release(ref, signal)).files) {
      paths.add(path);
      blobs.add(sha256);
    }
  }
  for (const ref of gone) {
    const { files } = await connection.release(ref, signal);
    await removeOurs(
      files.filter(({ path }) => !paths.has(path)),
      ctx,
    );
    const spare = new Set(files.map(({ sha256 }) => sha256).filter((name) => !blobs.has(name)));
    await inParallel(spare, connection.settings.limits.inFlight, async (sha256) => {
      await bucket.remove(layout.blob(sha256), { signal });
    });
    await bucket.remove(layout.release(ref), { signal });
  }
}

/** Looks at each object first: what somebody else put under the key stays. */
async function removeOurs(
  files: readonly SiteFile[],
  ctx: WriteContext<S3Connection>,
): Promise<void> {
  const { connection, signal, log } = ctx;
  const { bucket, layout, settings } = connection;
  const conditionOf = await conditions(ctx);
  await inParallel(files, settings.limits.inFlight, async (file) => {
    const key = layout.live(file.path);
    const head = await bucket.head(key, { signal });
    if (head === undefined) return;
    const isOurs = whichOf(head, [file]) !== undefined;
    const { etag } = conditionOf({ to: undefined, etag: head.etag });
    const removed = isOurs ? await bucket.remove(key, { signal, etag }) : "refused";
    if (removed === "refused") log(`${key} is not what Lockstep put there: it stays.\n`);
  });
}
