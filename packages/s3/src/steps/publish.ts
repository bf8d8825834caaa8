import type { ReadContext, WriteContext } from "@lockstep/plugin";
import type { Bucket, WriteCondition } from "../bucket.ts";
import type { S3Connection } from "../connection.ts";
import { releaseGone } from "../errors.ts";
import { type Move, storedHeaders, whichOf } from "../moves.ts";
import type { S3Settings } from "../options.ts";
import { inParallel } from "../parallel.ts";
import { namedIn } from "../probe/capabilities.ts";
import { isSameFile, isSameHeaders } from "../release.ts";
import { tellEvery } from "../telling.ts";

/** What was found under the keys that are to be replaced. */
export interface Looked {
  /** Keys that hold what no release of ours put there. */
  readonly foreign: readonly string[];
  /** What is ours and still to be replaced. */
  readonly waiting: readonly Waiting[];
}

/** A move, and the ETag of what it replaces; undefined where there is nothing. */
export type Waiting = Move & { readonly etag?: string | undefined };

/** Looks at every key that is to be replaced, and tells ours from others'. */
export async function lookAt(
  moves: readonly Move[],
  { connection, signal }: ReadContext<S3Connection>,
): Promise<Looked> {
  const { bucket, layout, settings } = connection;
  const present = await presentKeys(moves, { bucket, settings, signal });
  const foreign: string[] = [];
  const left = new Map<Move, string | undefined>();
  await inParallel(moves, settings.limits.inFlight, async (move) => {
    const key = layout.live(move.path);
    const head = present?.has(key) === false ? undefined : await bucket.head(key, { signal });
    const { to, was } = move;
    const found =
      head === undefined ? undefined : whichOf(head, to === undefined ? was : [to, ...was]);
    if (head !== undefined && found === undefined) foreign.push(key);
    else if (!isSameFile(found, to)) left.set(move, head?.etag);
  });
  const waiting = moves
    .filter((move) => left.has(move))
    .map((move): Waiting => {
      const etag = left.get(move);
      return etag === undefined ? move : { ...move, etag };
    });
  return { foreign: foreign.toSorted(), waiting };
}

/** From so many new keys on a listing is less work than a look at each. */
const MANY = 500;

/** The keys that are there, where many are new; undefined where each is looked at. */
async function presentKeys(
  moves: readonly Move[],
  {
    bucket,
    settings: { prefix, state },
    signal,
  }: { readonly bucket: Bucket; readonly settings: S3Settings; readonly signal: AbortSignal },
): Promise<ReadonlySet<string> | undefined> {
  if (moves.filter(({ was }) => was.length === 0).length < MANY) return undefined;
  const keys = new Set<string>();
  for await (const { key } of bucket.list(prefix, { signal })) {
    if (!key.startsWith(state)) keys.add(key); // no file of a site is there
  }
  return keys;
}

/**
 * Copies wave after wave: resources, then pages, then the entries one by one. The bytes are in the
 * bucket already, so nothing but the server can be slow here.
 *
 * Where the server keeps the conditions of copies and removals, what somebody else put there after the look
 * stays as it is.
 *
 * @param moves - In the order of their waves.
 * @param refuse - Told the key of everything that stays; when it throws, nothing goes on.
 */
export async function publish(
  moves: readonly Waiting[],
  ctx: WriteContext<S3Connection>,
  refuse: (key: string) => void,
): Promise<void> {
  const conditionOf = await conditions(ctx);
  const tell = tellEvery(ctx, moves.length);
  let items = 0;
  for (const wave of wavesOf(moves)) {
    await inParallel(wave, ctx.connection.settings.limits.inFlight, async (move) => {
      const isMade = await make(move, conditionOf(move), ctx);
      if (!isMade) refuse(ctx.connection.layout.live(move.path));
      items += 1;
      tell({ items });
    });
  }
}

/** How each move says that it replaces only what the look found, as far as the server keeps that. */
export async function conditions(
  ctx: WriteContext<S3Connection>,
): Promise<(move: Pick<Waiting, "to" | "etag">) => WriteCondition> {
  const { conditions: seen } = await ctx.connection.control.known(ctx);
  const kept = seen?.verdict === "obeyed" ? (seen.also ?? []) : [];
  return ({ to, etag }) => {
    if (!kept.includes(to === undefined ? "remove" : "copy")) return {};
    return etag === undefined ? { absent: true } : { etag: namedIn(etag, seen?.etags ?? "quoted") };
  };
}

/** Tells whether the key holds what it is to hold; false when somebody else changed it meanwhile. */
async function make(
  { path, to }: Waiting,
  condition: WriteCondition,
  ctx: WriteContext<S3Connection>,
): Promise<boolean> {
  const { signal, connection } = ctx;
  const { bucket, layout } = connection;
  const key = layout.live(path);
  if (to === undefined) {
    const removed = await bucket.remove(key, { signal, ...condition });
    return removed === "removed" || (await bucket.head(key, ctx)) === undefined;
  }
  const from = layout.blob(to.sha256);
  const copied = await bucket.copy(
    { from, to: key, headers: storedHeaders(to), ...condition },
    ctx,
  );
  if (copied === "copied") return true;
  const head = await bucket.head(key, ctx);
  // a copy whose answer was lost is refused when it is sent again
  const isOurs = head !== undefined && whichOf(head, [to]) === to;
  if (isOurs && isSameHeaders(head.headers, storedHeaders(to))) return true;
  if (copied === "missing" && (await bucket.head(from, ctx)) === undefined)
    throw releaseGone(path, from);
  return false;
}

/** What may go side by side. */
function wavesOf(all: readonly Waiting[]): Waiting[][] {
  const waves = new Map<number, Waiting[]>();
  for (const one of all) {
    const wave = waves.get(one.wave) ?? [];
    wave.push(one);
    waves.set(one.wave, wave);
  }
  return [...waves.values()];
}
