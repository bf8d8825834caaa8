import type { ReadContext, WriteContext } from "@lockstep/plugin";
import type { Bucket } from "../bucket.ts";
import type { S3Connection } from "../connection.ts";
import { releaseGone } from "../errors.ts";
import { type Move, storedHeaders, whichOf } from "../moves.ts";
import { inParallel } from "../parallel.ts";
import { isSameFile } from "../release.ts";

/** What was found under the keys that are to be replaced. */
export interface Looked {
  /** Keys that hold what no release of ours put there. */
  readonly foreign: readonly string[];
  /** What is ours and still to be replaced. */
  readonly waiting: readonly Move[];
}

/** Looks at every key that is to be replaced, and tells ours from others'. */
export async function lookAt(
  moves: readonly Move[],
  { connection, signal }: ReadContext<S3Connection>,
): Promise<Looked> {
  const { bucket, layout, settings } = connection;
  const present = await presentKeys(moves, { bucket, prefix: settings.prefix, signal });
  const foreign: string[] = [];
  const isLeft = new Set<Move>();
  await inParallel(moves, settings.limits.inFlight, async (move) => {
    const key = layout.live(move.path);
    const head = present?.has(key) === false ? undefined : await bucket.head(key, { signal });
    const { to, was } = move;
    const found =
      head === undefined ? undefined : whichOf(head, to === undefined ? was : [to, ...was]);
    if (head !== undefined && found === undefined) foreign.push(key);
    else if (!isSameFile(found, to)) isLeft.add(move);
  });
  const waiting = moves.filter((move) => isLeft.has(move));
  return { foreign: foreign.toSorted(), waiting };
}

/** From so many new keys on a listing is less work than a look at each. */
const MANY = 500;

/** The keys that are there, where many are new; undefined where each is looked at. */
async function presentKeys(
  moves: readonly Move[],
  {
    bucket,
    prefix,
    signal,
  }: { readonly bucket: Bucket; readonly prefix: string; readonly signal: AbortSignal },
): Promise<ReadonlySet<string> | undefined> {
  if (moves.filter(({ was }) => was.length === 0).length < MANY) return undefined;
  const keys = new Set<string>();
  for await (const { key } of bucket.list(prefix, { signal })) keys.add(key);
  return keys;
}

/**
 * Copies wave after wave: resources, then pages, then the entries one by one. The bytes are in the
 * bucket already, so nothing but the server can be slow here.
 *
 * @param moves - In the order of their waves.
 */
export async function publish(
  moves: readonly Move[],
  ctx: WriteContext<S3Connection>,
): Promise<void> {
  let items = 0;
  for (const wave of wavesOf(moves)) {
    await inParallel(wave, ctx.connection.settings.limits.inFlight, async (move) => {
      await make(move, ctx);
      items += 1;
      ctx.progress({ items, totalItems: moves.length });
    });
  }
}

async function make({ path, to }: Move, ctx: WriteContext<S3Connection>): Promise<void> {
  const { bucket, layout } = ctx.connection;
  const key = layout.live(path);
  if (to === undefined) {
    await bucket.remove(key, ctx);
    return;
  }
  const from = layout.blob(to.sha256);
  const isCopied = await bucket.copy({ from, to: key, headers: storedHeaders(to) }, ctx);
  if (!isCopied) throw releaseGone(path, from);
}

/** What may go side by side. */
function wavesOf(all: readonly Move[]): Move[][] {
  const waves = new Map<number, Move[]>();
  for (const one of all) {
    const wave = waves.get(one.wave) ?? [];
    wave.push(one);
    waves.set(one.wave, wave);
  }
  return [...waves.values()];
}
