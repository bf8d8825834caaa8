import type { Store } from "@lockstep/plugin";
import { leaseHeld, openRun } from "./errors.ts";
import { holdLease } from "./held-lease.ts";
import {
  type Lease,
  type LeaseBody,
  type LeaseState,
  readLease,
  ttlOf,
  writeLease,
} from "./lease.ts";
import type { Holder, Surroundings } from "./surroundings.ts";

/** How to get the lease. */
export interface LeaseRequest {
  readonly store: Store;
  readonly environment: string;
  readonly surroundings: Surroundings;
  /** Take a lease whose run is open: what recover does; it keeps that run's name. */
  readonly recover?: boolean;
  /** Milliseconds to wait for a live holder; default 0. */
  readonly waitMs?: number;
  /** Wait another ttl before a silent holder counts as gone: some target cannot refuse it. */
  readonly patient?: boolean;
  readonly signal?: AbortSignal;
  onWaiting?(holder: Holder): void;
}

/**
 * Takes the lease of an environment, with an epoch above all before in this store.
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

    const epoch = (found?.body.epoch ?? 0) + 1;
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
