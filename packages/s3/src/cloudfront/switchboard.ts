import { randomBytes } from "node:crypto";
import { fenced, type Stamp, stepConflict } from "@lockstep/plugin";
import type { CallOptions } from "../bucket.ts";
import { valuesContended } from "../errors.ts";
import { type KeyValues, MOST_CHANGES } from "./key-values.ts";
import { changesTo, type Position, type ReadPosition, readPosition } from "./position.ts";
import { type SiteKeys, siteKeys } from "./site-keys.ts";

/** Which release the router of one site follows, in the store, and what this process knows of it. */
export interface Switchboard {
  /** For messages: `kvs://abcd/site`. */
  readonly place: string;
  /** Names of everything that belongs to the site. */
  readonly keys: SiteKeys;
  read(options?: CallOptions): Promise<Position>;
  /** What a step of this connection has read or written a moment ago, once; else reads it. */
  look(options?: CallOptions): Promise<Position>;
  /** What was read a moment ago, by a look at what is live just before; else reads it. */
  recent(options?: CallOptions): Promise<Position>;
  /** What was read or written last; else reads it. Whoever builds a write on it is told when it is out of date. */
  known(options?: CallOptions): Promise<Position>;
  /**
   * Replaces what was read or written last, route and stamp in one write that is refused when either was changed.
   *
   * @throws {LockstepError} `STEP_CONFLICT` when somebody else changed it, `FENCED` when that was a newer run
   */
  write(next: Position & { readonly stamp: Stamp }, options?: CallOptions): Promise<void>;
  /**
   * Removes what the store was told of releases, each write under the tag of a look that saw no newer run.
   *
   * @throws {LockstepError} `FENCED`
   */
  forget(names: readonly string[], stamp: Stamp, options?: CallOptions): Promise<void>;
  /** Refuses a run that is older than the one which wrote it last. */
  refuseOlder(position: Position, stamp: Stamp): void;
}

/** Times a write is tried anew because somebody else wrote other keys meanwhile. */
const MOST_TRIES = 20;

/** How long, in milliseconds, a look or a write counts as recent. */
const RECENT_MS = 1_000;

/** Makes the switchboard of a site; reads nothing yet. */
export function openSwitchboard(values: KeyValues, name: string): Switchboard {
  const keys = siteKeys(name);
  const place = `${values.name}/${name}`;
  let last: ReadPosition | undefined;
  let lookedAt = -Infinity;
  let steppedAt = -Infinity;
  const refuse = (position: Position, stamp: Stamp): void => refuseOlder(place, position, stamp);
  const read = async (options?: CallOptions): Promise<ReadPosition> => {
    last = undefined;
    const started = performance.now();
    last = await readPosition(values, keys, options);
    [lookedAt, steppedAt] = [started, started];
    return last;
  };
  return {
    place,
    keys,
    read,
    async look(options) {
      const found = last !== undefined && isRecent(steppedAt) ? last : await read(options);
      steppedAt = -Infinity; // the next one is asked for anew
      return found;
    },
    recent: async (options) => (last !== undefined && isRecent(lookedAt) ? last : read(options)),
    known: async (options) => last ?? read(options),
    refuseOlder: refuse,
    async forget(names, stamp, options) {
      const left = [...names];
      for (let tries = 1; left.length > 0;) {
        const { etag, ...position } = await read(options);
        refuse(position, stamp);
        const deletes = left.slice(0, MOST_CHANGES);
        const written = await values.update({ puts: [], deletes, etag }, options);
        if (written !== "moved") left.splice(0, MOST_CHANGES);
        else if ((tries += 1) > MOST_TRIES) throw valuesContended(values.name);
      }
    },
    async write(next, options) {
      const base = last ?? (await readPosition(values, keys, options));
      last = undefined; // until it is known what became of it
      const started = performance.now();
      last = await replace({ values, keys, place }, { base, next }, options);
      steppedAt = started;
    },
  };
}

function isRecent(at: number): boolean {
  return performance.now() - at < RECENT_MS;
}

/** Writes until it is known who did: this run, or somebody who came before it. */
async function replace(
  {
    values,
    keys,
    place,
  }: { readonly values: KeyValues; readonly keys: SiteKeys; readonly place: string },
  {
    base,
    next,
  }: { readonly base: ReadPosition; readonly next: Position & { readonly stamp: Stamp } },
  options?: CallOptions,
): Promise<ReadPosition> {
  const nonce = randomBytes(16).toString("hex");
  const { parts, ...changes } = changesTo(keys, base, { ...next, nonce });
  let { etag } = base;
  for (let tries = 1; tries <= MOST_TRIES; tries += 1) {
    const written = await values.update({ ...changes, etag }, options);
    if (written !== "moved") return { ...next, nonce, parts, etag: written.etag };
    const found = await readPosition(values, keys, options);
    if (found.nonce === nonce) return found; // our own write, whose reply was lost
    refuseOlder(place, found, next.stamp);
    if (found.nonce !== base.nonce || found.route !== base.route) {
      throw stepConflict(place, { wanted: "what this run had read", found: "another" });
    }
    etag = found.etag; // another site of the same store, or a list of pages
  }
  throw valuesContended(values.name);
}

function refuseOlder(place: string, { stamp }: Position, ours: Stamp): void {
  if (stamp === undefined || stamp.lineage !== ours.lineage || stamp.epoch <= ours.epoch) return;
  throw fenced(place, { ours: ours.epoch, found: stamp.epoch });
}
