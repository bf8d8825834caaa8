import type { Store } from "@lockstep/plugin";
import { foreignLineage } from "./errors.ts";
import { reachable } from "./journal.ts";
import type { LiveByTarget } from "./live.ts";
import type { Surroundings } from "./surroundings.ts";

/**
 * The name of the store that counts the epochs of its environments; made once, at random.
 *
 * @throws {LockstepError} `STORE_UNREACHABLE`
 */
export async function lineageOf(store: Store, { hex }: Surroundings): Promise<string> {
  return reachable(store, async () => {
    const fresh = Buffer.from(`${hex(32)}\n`);
    await store.create("lineage", fresh); // "exists" after the first run of this store
    return Buffer.from((await store.get("lineage"))?.body ?? fresh)
      .toString("utf8")
      .trim();
  });
}

/**
 * Refuses targets that another store's runs have stamped, unless that was asked for.
 *
 * @throws {LockstepError} `FOREIGN_LINEAGE`
 */
export function refuseForeign(live: LiveByTarget, lineage: string, adopt: boolean): void {
  if (adopt) return;
  for (const [target, units] of Object.entries(live)) {
    const foreign = units.find(({ stamp }) => stamp !== undefined && stamp.lineage !== lineage);
    if (foreign !== undefined) throw foreignLineage(target, foreign.unit);
  }
}

/** The highest epoch any unit carries; 0 when none does. */
export function highestEpoch(live: LiveByTarget): number {
  return Math.max(
    0,
    ...Object.values(live).flatMap((units) => units.map(({ stamp }) => stamp?.epoch ?? 0)),
  );
}
