import type { Retire, WriteContext } from "@lockstep/plugin";
import { whichOf } from "../moves.ts";
import { inParallel } from "../parallel.ts";
import type { SiteFile } from "../release.ts";
import type { RoutedConnection } from "./connection.ts";
import { assetsOf, documentsOf } from "./documents.ts";
import { liveOf } from "./position.ts";

/** What stays. */
export type RetireInput = {
  /** The release that visitors are led to now; null when a preview was taken away. */
  readonly release: string | null;
  /** Releases that are kept, the live one included; and for how many days more may be kept. */
  readonly releases: number;
  readonly days: number;
};

const DAY_MS = 86_400_000;

/** Removes releases that are not kept: their documents, their tables, and assets that only they had. */
export const retire: Retire<RetireInput, RoutedConnection> = {
  kind: "s3.retire-routed/1",

  describe: ({ release, releases, days }) =>
    release === null
      ? "remove all releases of the preview"
      : `remove releases beyond ${releases} that are older than ${days} days`,

  async retire({ release, releases, days }, ctx) {
    const { switchboard } = ctx.connection;
    // before the look at who is the newest: what a newer run stages is not on this list
    const all = await releasesIn(ctx);
    const position = await switchboard.read(ctx);
    switchboard.refuseOlder(position, ctx.stamp);
    if (liveOf(position) !== release) return; // somebody came after
    const past = position.past.filter(
      ({ until }, index) => index + 1 < releases || ctx.now() - until < days * DAY_MS,
    );
    if (past.length < position.past.length) {
      // first the list: nobody may return to a release that is half gone
      await switchboard.write({ ...position, past, stamp: ctx.stamp }, ctx);
    }
    const kept = [...(release === null ? [] : [release]), ...past.map(({ ref }) => ref)];
    const gone = all.filter((ref) => !kept.includes(ref));
    if (gone.length > 0) await sweep({ kept, gone }, ctx);
  },
};

async function releasesIn({
  connection: { bucket, layout },
  signal,
}: WriteContext<RoutedConnection>): Promise<readonly string[]> {
  const refs: string[] = [];
  for await (const { key } of bucket.list(layout.releases, { signal })) {
    const ref = layout.refOf(key);
    if (ref !== undefined) refs.push(ref);
  }
  return refs;
}

async function sweep(
  { kept, gone }: { readonly kept: readonly string[]; readonly gone: readonly string[] },
  ctx: WriteContext<RoutedConnection>,
): Promise<void> {
  const { connection, signal } = ctx;
  // the store goes first: nobody is to be shown a preview that is half gone
  await forgetOthers(kept, ctx);
  const assets = new Set<string>();
  for (const ref of kept) {
    for (const { path } of assetsOf(await connection.release(ref, signal))) assets.add(path);
  }
  for (const ref of gone) {
    connection.switchboard.refuseOlder(await connection.switchboard.read(ctx), ctx.stamp);
    const release = await connection.release(ref, signal);
    const spare = assetsOf(release).filter(({ path }) => !assets.has(path));
    await removeOurs(spare, ({ path }) => connection.asset(path), ctx);
    await removeOurs(documentsOf(release), ({ path }) => connection.document(ref, path), ctx);
    await connection.bucket.remove(connection.layout.release(ref), { signal });
  }
}

/** Removes what the store was told of releases that are not kept, also where it was not told all. */
async function forgetOthers(
  kept: readonly string[],
  ctx: WriteContext<RoutedConnection>,
): Promise<void> {
  const { routes, switchboard, values } = ctx.connection;
  const { keys } = switchboard;
  const [staged, tables] = [new Set<string>(), new Set<string>()];
  for (const ref of kept) {
    const { route } = await routes(ref, ctx.signal);
    staged.add(keys.staged(route.id));
    tables.add(keys.table(route.table, ""));
  }
  const deletes: string[] = [];
  for await (const key of values.list(ctx)) {
    const table = /^(.*\.)[^.]*$/.exec(key)?.[1] ?? "";
    const isStaged = key.startsWith(keys.staged("")) && !staged.has(key);
    const isTable = key.startsWith(keys.tables) && !tables.has(table);
    if (isStaged || isTable) deletes.push(key);
  }
  await switchboard.forget(deletes, ctx.stamp, ctx);
}

/** Looks at each object first: what somebody else put under the key stays. */
async function removeOurs(
  files: readonly SiteFile[],
  keyOf: (file: SiteFile) => string,
  { connection, signal, log }: WriteContext<RoutedConnection>,
): Promise<void> {
  const { bucket, settings } = connection;
  await inParallel(files, settings.limits.inFlight, async (file) => {
    const key = keyOf(file);
    const head = await bucket.head(key, { signal });
    if (head === undefined) return;
    if (whichOf(head, [file]) !== undefined) await bucket.remove(key, { signal });
    else log(`${key} is not what Lockstep put there: it stays.\n`);
  });
}
