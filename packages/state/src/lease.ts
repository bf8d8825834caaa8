import { canonicalJson, type Json, type Store } from "@lockstep/plugin";
import { type Writer } from "./journal.ts";
import { reachable } from "./reachable.ts";
import type { Word } from "./records.ts";
import type { Holder } from "./surroundings.ts";

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
   * Goes on under the next epoch that is above another, so that what is still on its way from before can be refused.
   *
   * @throws {LockstepError} `LEASE_LOST`, `STORE_UNREACHABLE`
   */
  raise(above?: number): Promise<void>;
  /** Stops renewing and gives it free. `open: true` leaves a run that must be recovered first. */
  release(state: { readonly open: boolean }): Promise<void>;
  /** Stops renewing and writes nothing: the lease runs out, the run stays open. */
  abandon(): void;
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

/** Milliseconds after which a silent holder counts as gone. */
export function ttlOf(store: Store): number {
  return store.ttlMs ?? 60_000;
}

function leaseKey(environment: string): string {
  return `leases/${environment}`;
}
