import { canonicalJson, type Json, type Store } from "@lockstep/plugin";
import { leaseHeld, leaseLost, openRun, storeUnreachable } from "./errors.ts";
import { reachable, type Writer } from "./journal.ts";
import type { Word } from "./records.ts";
import type { Holder, Surroundings } from "./surroundings.ts";

/** What is stored under `leases/ENVIRONMENT`. Never deleted, so that the epoch never goes back. */
export interface LeaseBody {
  readonly v: 1;
  readonly epoch: number;
  readonly holder: Holder;
  /** Tells two writes of the same holder apart, and our own retried write from another's. */
  readonly nonce: string;
  /** From the write that takes the lease until the write after the run's last record. */
  readonly open: boolean;
  readonly released: boolean;
  /** Somebody took it away from its holder by hand. */
  readonly unlocked?: Word & { readonly at: string };
}

/** A lease as it was read. */
export interface LeaseState {
  readonly body: LeaseBody;
  readonly tag: string;
}

/** A lease that this process holds and renews. */
export interface Lease extends Writer {
  /** Rises only by {@link Lease.raise}. */
  readonly epoch: number;
  readonly run: string;
  /** Aborts when another process has taken the lease. */
  readonly lost: AbortSignal;
  /**
   * Call before every write that users can see: renews first when the last renewal is older than ttl/2.
   *
   * @throws {LockstepError} `LEASE_LOST` when another holds it, `STORE_UNREACHABLE`
   */
  ensureFresh(): Promise<void>;
  /** Milliseconds until the first moment at which another could take it. */
  remainingMs(): number;
  /**
   * Goes on under the next epoch, so that what is still on its way from before can be refused.
   *
   * @throws {LockstepError} `LEASE_LOST`, `STORE_UNREACHABLE`
   */
  raise(): Promise<void>;
  /** Stops renewing and gives it free. `open: true` leaves a run that must be recovered first. */
  release(state: { readonly open: boolean }): Promise<void>;
  /** Stops renewing and writes nothing: the lease runs out, the run stays open. */
  abandon(): void;
}

/** How to get the lease. */
export interface LeaseRequest {
  readonly store: Store;
  readonly environment: string;
  readonly surroundings: Surroundings;
  /** The new epoch is above this one, whatever the store says. */
  readonly above: number;
  /** Take a lease whose run is open: what recover does; it keeps that run's name. */
  readonly recover?: boolean;
  /** Milliseconds to wait for a live holder; default 0. */
  readonly waitMs?: number;
  /** Wait another ttl before a silent holder counts as gone: some target cannot refuse it. */
  readonly patient?: boolean;
  readonly signal?: AbortSignal;
  onWaiting?(holder: Holder): void;
}

/** What the lease of an environment says now. */
export async function readLease(
  store: Store,
  environment: string,
): Promise<LeaseState | undefined> {
  const stored = await reachable(store, () => store.get(leaseKey(environment)));
  if (stored === undefined) return undefined;
  return {
    body: JSON.parse(Buffer.from(stored.body).toString("utf8")) as LeaseBody,
    tag: stored.tag,
  };
}

/**
 * Who left an open run behind: the lease was released, or its holder is proven dead.
 *
 * @returns undefined when no run is open, or when its process may still be at work.
 */
export async function leftBy(store: Store, environment: string): Promise<Holder | undefined> {
  const found = await readLease(store, environment);
  if (found?.body.open !== true) return undefined;
  if (found.body.released) return found.body.holder;
  if ((await store.presence?.look(found.body.holder.process)) !== "gone") return undefined;
  // It may have ended well between the two looks.
  const now = await readLease(store, environment);
  return now?.tag === found.tag ? found.body.holder : undefined;
}

/**
 * Takes the lease of an environment, with an epoch above all before.
 *
 * @throws {LockstepError} `LEASE_HELD` while somebody holds it, `RUN_OPEN` when an unfinished run must be
 *   recovered first (not with `recover`), `STORE_UNREACHABLE`
 */
export async function takeLease(request: LeaseRequest): Promise<Lease> {
  const { store, environment, surroundings } = request;
  for (;;) {
    const found = await awaitFree(request);
    if (found?.body.open === true && request.recover !== true)
      throw openRun(environment, found.body.holder);

    const epoch = Math.max(found?.body.epoch ?? 0, request.above) + 1;
    const reopened = request.recover === true && found?.body.open === true;
    const run = reopened ? found.body.holder.run : runName(environment, epoch, surroundings);
    const body = await leaseBody(request, { epoch, run });
    const tag = await writeLease(store, environment, { body, tag: found?.tag });
    if (tag !== undefined) return holdLease(request, { body, tag });
  }
}

/** `production-000012-4f9c2d1a`: sorts by epoch within an environment. */
function runName(environment: string, epoch: number, { hex }: Surroundings): string {
  return `${environment}-${String(epoch).padStart(6, "0")}-${hex(8)}`;
}

/** The lease once its holder has released it or is gone for certain; undefined when there never was one. */
async function awaitFree(request: LeaseRequest): Promise<LeaseState | undefined> {
  const { surroundings, store, environment } = request;
  const giveUpAt = surroundings.monotonic() + (request.waitMs ?? 0);
  let seen = await readLease(store, environment);
  let seenAt = surroundings.monotonic();
  for (;;) {
    if (seen === undefined || isFree(seen, request)) return seen;
    const verdict = await judge(seen, surroundings.monotonic() - seenAt, request);
    if (verdict === "alive" && surroundings.monotonic() >= giveUpAt)
      throw leaseHeld(environment, seen.body.holder);
    if (verdict !== "gone") {
      request.onWaiting?.(seen.body.holder);
      await surroundings.sleep(Math.min(1000, ttlOf(store) / 6), request.signal);
    }
    const next = await readLease(store, environment);
    if (next?.tag === seen.tag) {
      if (verdict === "gone") return seen;
      continue; // else it ended well between two looks, or renewed
    }
    // A renewal proves life: whoever does not want to wait need not watch any longer.
    if (next?.body.released === false && surroundings.monotonic() >= giveUpAt)
      throw leaseHeld(environment, next.body.holder);
    [seen, seenAt] = [next, surroundings.monotonic()];
  }
}

/** One that was unlocked by hand may have a holder that lives: who cannot be refused must be waited for. */
function isFree({ body }: LeaseState, { patient }: LeaseRequest): boolean {
  return body.released && (body.unlocked === undefined || patient !== true);
}

/** A taker never compares clocks: silence is measured on its own monotonic clock. */
async function judge(
  { body }: LeaseState,
  silentMs: number,
  { store, patient }: LeaseRequest,
): Promise<"alive" | "silent" | "gone"> {
  const proof = await store.presence?.look(body.holder.process);
  const enough = ttlOf(store) * (patient === true ? 2 : 1);
  if (proof === "gone" || silentMs >= enough) return "gone";
  // One that lives renews, unless it is suspended: who has time waits for that to show.
  return proof === "alive" && body.unlocked === undefined ? "alive" : "silent";
}

async function leaseBody(
  { store, surroundings }: LeaseRequest,
  { epoch, run }: { readonly epoch: number; readonly run: string },
): Promise<LeaseBody> {
  const holder: Holder = {
    ...surroundings.who,
    run,
    since: new Date(surroundings.now()).toISOString(),
    process: (await store.presence?.self()) ?? null,
  };
  return { v: 1, epoch, holder, nonce: surroundings.hex(16), open: true, released: false };
}

/** Writes a lease; the new tag, or undefined when somebody else wrote first. */
export async function writeLease(
  store: Store,
  environment: string,
  { body, tag }: { readonly body: LeaseBody; readonly tag: string | undefined },
): Promise<string | undefined> {
  const key = leaseKey(environment);
  const bytes = Buffer.from(`${canonicalJson(body as unknown as Json)}\n`);
  const result = await reachable(store, async () =>
    tag === undefined ? store.create(key, bytes) : store.replace(key, bytes, tag),
  );
  if (typeof result === "object") return result.tag;
  const there = await readLease(store, environment); // it may be our own write, retried on the way
  return there?.body.nonce === body.nonce ? there.tag : undefined;
}

function holdLease(request: LeaseRequest, taken: { body: LeaseBody; tag: string }): Lease {
  const { store, environment, surroundings } = request;
  const ttlMs = ttlOf(store);
  const [lost, stop] = [new AbortController(), new AbortController()];
  let { body, tag } = taken;
  let renewed = { monotonic: surroundings.monotonic(), wall: surroundings.now() };
  let writing: Promise<void> = Promise.resolve();

  const writeNow = async (change: Partial<LeaseBody>): Promise<void> => {
    const started = { monotonic: surroundings.monotonic(), wall: surroundings.now() };
    const next = { ...body, ...change, nonce: surroundings.hex(16) };
    const nextTag = await writeLease(store, environment, { body: next, tag });
    if (nextTag === undefined) {
      const error = leaseLost(environment, await takenBy(request, body.epoch));
      lost.abort(error);
      throw error;
    }
    [body, tag, renewed] = [next, nextTag, started];
  };
  const write = (change: Partial<LeaseBody>): Promise<void> => {
    const result = writing.then(async () => writeNow(change));
    writing = result.catch(() => undefined);
    return result;
  };
  // The larger of two clocks: a suspended machine stops one of them, an adjusted clock bends the other.
  const ageMs = (): number =>
    Math.max(surroundings.monotonic() - renewed.monotonic, surroundings.now() - renewed.wall);

  const renewing = renewInTurn(surroundings, ttlMs / 3, {
    renew: () => write({}),
    signal: stop.signal,
  });
  return {
    get epoch() {
      return body.epoch;
    },
    now: () => surroundings.now(),
    raise: () => write({ epoch: body.epoch + 1 }),
    run: body.holder.run,
    lost: lost.signal,
    async ensureFresh() {
      lost.signal.throwIfAborted();
      if (ageMs() > ttlMs / 2) await write({});
    },
    remainingMs: () => ttlMs - ageMs(),
    abandon: () => stop.abort(),
    async release({ open }) {
      stop.abort();
      await renewing;
      if (!lost.signal.aborted) await write({ open, released: true });
    },
  };
}

/**
 * Who took the lease of an epoch.
 *
 * @throws {LockstepError} `STORE_UNREACHABLE` when nobody did: whoever takes a lease raises its epoch, so one that is
 *   gone, or older, tells that the store was lost
 */
async function takenBy({ store, environment }: LeaseRequest, epoch: number): Promise<Holder> {
  const found = await readLease(store, environment);
  if (found !== undefined && found.body.epoch > epoch) return found.body.holder;
  throw storeUnreachable(store.place, new Error(`the lease of ${environment} is gone`));
}

/** Until stopped. A failed renewal is not the end: the next may work, and ensureFresh asks before a write. */
async function renewInTurn(
  { sleep }: Surroundings,
  everyMs: number,
  { renew, signal }: { readonly signal: AbortSignal; renew(): Promise<void> },
): Promise<void> {
  while (!signal.aborted) {
    try {
      await sleep(everyMs, signal);
      await renew();
    } catch {
      // stopped, or failed for now
    }
  }
}

function ttlOf(store: Store): number {
  return store.ttlMs ?? 60_000;
}

function leaseKey(environment: string): string {
  return `leases/${environment}`;
}
