import type { Store } from "@lockstep/plugin";
import { type LeaseBody, readLease, writeLease } from "./lease.ts";
import type { Surroundings } from "./surroundings.ts";

/** What is to be unlocked, and by whom. */
export interface UnlockRequest {
  readonly store: Store;
  readonly environment: string;
  readonly surroundings: Surroundings;
  /** Why, for those who read it later. */
  readonly reason: string;
}

/**
 * Takes a lease away from its holder: the epoch rises, and its run stays open until it is recovered.
 *
 * A holder that lives after all learns of it before its next visible write, at the latest when half the
 * time to live has passed.
 *
 * @returns The lease as it is now; undefined when nobody held it.
 * @throws {LockstepError} `STORE_UNREACHABLE`
 */
export async function unlock(request: UnlockRequest): Promise<LeaseBody | undefined> {
  const { store, environment, surroundings, reason } = request;
  for (;;) {
    const found = await readLease(store, environment);
    if (found === undefined || found.body.released) return undefined;
    const at = new Date(surroundings.now()).toISOString();
    const body: LeaseBody = {
      ...found.body,
      epoch: found.body.epoch + 1,
      nonce: surroundings.hex(16),
      released: true,
      unlocked: { at, reason, who: surroundings.who },
    };
    if ((await writeLease(store, environment, { body, tag: found.tag })) !== undefined) return body;
  }
}
