import type { Store } from "@lockstep/plugin";
import { foreignLineage, storeUnsound } from "./errors.ts";
import type { Lease } from "./lease.ts";
import type { LiveByTarget } from "./live.ts";
import { reachable } from "./reachable.ts";
import type { Surroundings } from "./surroundings.ts";

/**
 * The name of the store that counts the epochs of its environments; made once, at random, after the store
 * has shown that it keeps what everything else is built on.
 *
 * @throws {LockstepError} `STORE_UNREACHABLE`, `STORE_UNSOUND`
 */
export async function lineageOf(store: Store, { hex }: Surroundings): Promise<string> {
  return reachable(store, async () => {
    const known = await store.get("lineage");
    if (known !== undefined) return textOf(known.body);
    await refuseUnsound(store, hex(16));
    const fresh = Buffer.from(`${hex(32)}\n`);
    await store.create("lineage", fresh); // "exists" when another first run was quicker
    return textOf((await store.get("lineage"))?.body ?? fresh);
  });
}

function textOf(body: Uint8Array): string {
  return Buffer.from(body).toString("utf8").trim();
}

/** A store that takes a second create, or a replace of what is not there any more, would lose a run. */
async function refuseUnsound(store: Store, nonce: string): Promise<void> {
  const key = `self-test/${nonce}`;
  const [one, two] = [Buffer.from("one\n"), Buffer.from("two\n")];
  const first = await store.create(key, one);
  if (first === "exists") throw storeUnsound(store.place, "says that a new key exists");
  if ((await store.create(key, two)) !== "exists")
    throw storeUnsound(store.place, "creates a key that exists");
  const second = await store.replace(key, two, first.tag);
  if (second === "moved") throw storeUnsound(store.place, "does not replace what it just wrote");
  if ((await store.replace(key, one, first.tag)) !== "moved")
    throw storeUnsound(store.place, "replaces a value that has changed");
  await store.remove(key, second.tag);
}

/**
 * Tells whether another store's runs have stamped a target; refuses it unless that was asked for.
 *
 * @throws {LockstepError} `FOREIGN_LINEAGE`
 */
export function admitForeign(live: LiveByTarget, lineage: string, adopt: boolean): boolean {
  for (const [target, units] of Object.entries(live)) {
    const foreign = units.find(({ stamp }) => stamp !== undefined && stamp.lineage !== lineage);
    if (foreign === undefined) continue;
    if (!adopt) throw foreignLineage(target, foreign.unit);
    return true;
  }
  return false;
}

/**
 * Puts the epoch of a lease above all that units carry: a store that was restored may count from lower ones.
 *
 * @throws {LockstepError} `LEASE_LOST`, `STORE_UNREACHABLE`
 */
export async function raiseAbove(lease: Lease, live: LiveByTarget): Promise<void> {
  const stamps = Object.values(live).flatMap((units) =>
    units.map(({ stamp }) => stamp?.epoch ?? 0),
  );
  const highest = Math.max(0, ...stamps);
  if (highest >= lease.epoch) await lease.raise(highest);
}
