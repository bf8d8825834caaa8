import type { Stamp } from "@lockstep/plugin";
import type { CallOptions } from "../bucket.ts";
import { valuesUnfit } from "../errors.ts";
import type { PastRelease } from "../pointer.ts";
import type { KeyValues } from "./key-values.ts";
import { releaseOf } from "./route.ts";
import type { SiteKeys } from "./site-keys.ts";

/** What the store says of one site. */
export interface Position {
  /** What the router follows, as it is stored; undefined when nothing is live. */
  readonly route: string | undefined;
  /** What was live before, the latest first. */
  readonly past: readonly PastRelease[];
  /** The run that changed it last. */
  readonly stamp: Stamp | undefined;
}

/** A position with what a write must name. */
export interface ReadPosition extends Position {
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

/** The release that a position leads visitors to; null when there is none, or a route that somebody wrote by hand. */
export function liveOf({ route }: Position): string | null {
  return releaseOf(route);
}

/** The tag is asked for first: what is read after it and changed since makes the write fail. */
export async function readPosition(
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

/** What a write of the store must change so that it says the next position. */
export function changesTo(
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
