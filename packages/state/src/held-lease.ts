import type { Store } from "@lockstep/plugin";
import { leaseLost, storeUnreachable } from "./errors.ts";
import { type Lease, type LeaseBody, readLease, ttlOf, writeLease } from "./lease.ts";
import type { Holder, Surroundings } from "./surroundings.ts";

/** Whose lease it is, and where it is kept. */
interface LeaseScope {
  readonly store: Store;
  readonly environment: string;
  readonly surroundings: Surroundings;
}

/** Keeps a lease that was just written, until it is released, abandoned or lost. */
export function holdLease(request: LeaseScope, taken: { body: LeaseBody; tag: string }): Lease {
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
    raise: (above = 0) => write({ epoch: Math.max(body.epoch, above) + 1 }),
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
async function takenBy({ store, environment }: LeaseScope, epoch: number): Promise<Holder> {
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
