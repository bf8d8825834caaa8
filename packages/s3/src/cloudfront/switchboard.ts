import { randomBytes } from "node:crypto";
import { fenced, type Stamp, stepConflict } from "@lockstep/plugin";
import type { CallOptions } from "../bucket.ts";
import { valuesContended, valuesUnfit } from "../errors.ts";
import type { PastRelease } from "../pointer.ts";
import { type KeyValues, MOST_CHANGES } from "./key-values.ts";
import { releaseOf } from "./route.ts";

/** What the store says of one site. */
export interface Position {
  /** What the router follows, as it is stored; undefined when nothing is live. */
  readonly route: string | undefined;
  /** What was live before, the latest first. */
  readonly past: readonly PastRelease[];
  /** The run that changed it last. */
  readonly stamp: Stamp | undefined;
}

/** Which release the router of one site follows, in the store, and what this process knows of it. */
export interface Switchboard {
  /** For messages: `kvs://abcd/site`. */
  readonly place: string;
  /** Names of everything that belongs to the site. */
  readonly keys: SiteKeys;
  read(options?: CallOptions): Promise<Position>;
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

/** Keys of one site in a store. */
export interface SiteKeys {
  /** The route that visitors get. */
  readonly route: string;
  readonly control: string;
  past(part: number): string;
  /** The route of a release that may be looked at by its name. */
  staged(id: string): string;
  /** What all keys of tables begin with. */
  readonly tables: string;
  /** A part or a redirect of a table. */
  table(table: string, name: string): string;
}

/** The only place where keys of a store are built: all characters may stand in a path as they are. */
export function siteKeys(name: string): SiteKeys {
  return {
    route: name,
    control: `${name}.control`,
    past: (part) => `${name}.past.${part}`,
    staged: (id) => `${name}.staged.${id}`,
    tables: `${name}.t.`,
    table: (table, one) => `${name}.t.${table}.${one}`,
  };
}

/** A position with what a write must name. */
interface ReadPosition extends Position {
  readonly etag: string;
  /** The last write's own; undefined before the first. */
  readonly nonce: string | undefined;
  /** Values that the past is kept in. */
  readonly parts: number;
}

interface Control {
  readonly version: 1;
  readonly nonce: string;
  readonly stamp: Stamp;
  readonly parts: number;
}

/** Releases of the past in one value. */
const PAST_PER_PART = 12;

/** Most values for the past, so that all goes into one write. */
const MOST_PARTS = 40;

/** Times a write is tried anew because somebody else wrote other keys meanwhile. */
const MOST_TRIES = 20;

/** How long, in milliseconds, a look counts as recent. */
const RECENT_MS = 1_000;

/** Makes the switchboard of a site; reads nothing yet. */
export function openSwitchboard(values: KeyValues, name: string): Switchboard {
  const keys = siteKeys(name);
  const place = `${values.name}/${name}`;
  let last: ReadPosition | undefined;
  let lookedAt = -Infinity;
  const refuse = (position: Position, stamp: Stamp): void => refuseOlder(place, position, stamp);
  const read = async (options?: CallOptions): Promise<ReadPosition> => {
    last = undefined;
    const started = performance.now();
    last = await readPosition(values, keys, options);
    lookedAt = started;
    return last;
  };
  return {
    place,
    keys,
    read,
    async recent(options) {
      const isRecent = last !== undefined && performance.now() - lookedAt < RECENT_MS;
      return isRecent && last !== undefined ? last : read(options);
    },
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
      last = await replace({ values, keys, place }, { base, next }, options);
    },
  };
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

/** The tag is asked for first: what is read after it and changed since makes the write fail. */
async function readPosition(
  values: KeyValues,
  keys: SiteKeys,
  options?: CallOptions,
): Promise<ReadPosition> {
  const { etag } = await values.describe(options);
  const [route, text] = await Promise.all([
    values.get(keys.route, options),
    values.get(keys.control, options),
  ]);
  const control = text === undefined ? undefined : parseControl(values.name, keys, text);
  const parts = control?.parts ?? 0;
  const texts = await Promise.all(
    Array.from({ length: parts }, (_, part) => values.get(keys.past(part), options)),
  );
  const past = texts.flatMap((one) => (one ?? "").split(" ").filter((word) => word !== ""));
  return {
    route,
    etag,
    parts,
    nonce: control?.nonce,
    stamp: control?.stamp,
    past: past.map(pastOf),
  };
}

function parseControl(store: string, keys: SiteKeys, text: string): Control {
  try {
    const control = JSON.parse(text) as Partial<Control>;
    const { version, nonce, stamp, parts } = control;
    const isWhole = typeof nonce === "string" && typeof parts === "number" && stamp !== undefined;
    if (version === 1 && isWhole && parts <= MOST_PARTS) return { version, nonce, stamp, parts };
  } catch (cause) {
    throw valuesUnfit(store, `holds what is no JSON under ${keys.control}`, cause);
  }
  throw valuesUnfit(store, `holds what this version cannot read under ${keys.control}`);
}

function changesTo(
  keys: SiteKeys,
  base: ReadPosition,
  { route, past, stamp, nonce }: Position & { readonly stamp: Stamp; readonly nonce: string },
): {
  readonly puts: (readonly [string, string])[];
  readonly deletes: string[];
  readonly parts: number;
} {
  const kept = past.slice(0, PAST_PER_PART * MOST_PARTS);
  const parts = Math.ceil(kept.length / PAST_PER_PART);
  const control: Control = { version: 1, nonce, stamp, parts };
  const texts = Array.from({ length: parts }, (_, part) => {
    const some = kept.slice(part * PAST_PER_PART, (part + 1) * PAST_PER_PART);
    return [keys.past(part), some.map(wordOf).join(" ")] as const;
  });
  const surplus = Array.from({ length: Math.max(0, base.parts - parts) }, (_, index) =>
    keys.past(parts + index),
  );
  return {
    parts,
    puts: [
      ...(route === undefined ? [] : [[keys.route, route] as const]),
      [keys.control, JSON.stringify(control)],
      ...texts,
    ],
    deletes: [...surplus, ...(route === undefined && base.route !== undefined ? [keys.route] : [])],
  };
}

function wordOf({ ref, until }: PastRelease): string {
  return `${ref.replace("sha256:", "")}:${until.toString(36)}`;
}

function pastOf(word: string): PastRelease {
  const [hex = "", until = ""] = word.split(":");
  return { ref: `sha256:${hex}`, until: Number.parseInt(until, 36) };
}

/** The release that a position leads visitors to; null when there is none, or a route that somebody wrote by hand. */
export function liveOf({ route }: Position): string | null {
  return releaseOf(route);
}
