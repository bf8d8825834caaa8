import { randomBytes } from "node:crypto";
import { fenced, type Stamp, stepConflict } from "@lockstep/plugin";
import type { Bucket, CallOptions } from "./bucket.ts";
import { writeNonced } from "./conditional.ts";
import { manifestUnfit } from "./errors.ts";
import type { Capabilities, Sighting } from "./probe/capabilities.ts";

/** A release that was live. */
export type PastRelease = {
  readonly ref: string;
  /** When another took its place, in milliseconds since 1970. */
  readonly until: number;
};

/** What the control object of a site says. */
export interface Pointer {
  /** The release that visitors get; null when there is none. */
  readonly live: string | null;
  /** What the live release was made of, so that a source without changes is known at once. */
  readonly made?: string | undefined;
  /** Set while pages are being replaced: visitors may get either release. `live` is then the older one. */
  readonly moving?: { readonly to: string } | undefined;
  /** What was live before, the latest first. */
  readonly past: readonly PastRelease[];
  /** The run that changed it last. */
  readonly stamp?: Stamp | undefined;
  /**
   * The first run since the last sweep that may have left objects which belong to no kept release: it staged
   * and never went live, or it ended while it removed. Absent where nothing is to be looked for.
   */
  readonly begun?: string | undefined;
  /** What the server was seen to do with conditions; absent before it was tried out. */
  readonly conditions?: SeenConditions | undefined;
}

/** What a server does with the conditions of writes, and when it was tried out. */
export type SeenConditions = {
  readonly verdict: "obeyed" | "ignored";
  /** How conditions must name an ETag. */
  readonly etags: Capabilities["etags"];
  /** What it keeps the conditions of besides writes of bytes. */
  readonly also?: readonly ("copy" | "remove")[];
} & Sighting;

/** A pointer as it was read, with what a conditional write must name. */
export interface ReadPointer {
  readonly pointer: Pointer;
  /** Absent when there is no control object. */
  readonly etag?: string;
}

/** What a site is before its first deploy. */
const NOTHING: Pointer = { live: null, past: [] };

/** Where a pointer is kept. */
export interface PointerPlace {
  readonly bucket: Bucket;
  readonly key: string;
}

/**
 * Reads the control object.
 *
 * @throws {LockstepError} `S3_MANIFEST` when it is damaged: it never counts as an empty site
 */
export async function readPointer(
  { bucket, key }: PointerPlace,
  options?: CallOptions,
): Promise<ReadPointer> {
  const found = await bucket.get(key, options);
  if (found === undefined) return { pointer: NOTHING };
  return { pointer: parsePointer(key, found.body), etag: found.etag };
}

/**
 * Replaces the control object that was read.
 *
 * @throws {LockstepError} `STEP_CONFLICT` when somebody else replaced it meanwhile, `FENCED` when that was a newer run
 */
export async function writePointer(
  place: PointerPlace,
  {
    read,
    next,
  }: { readonly read: ReadPointer; readonly next: Pointer & { readonly stamp: Stamp } },
  options?: CallOptions,
): Promise<ReadPointer> {
  const nonce = randomBytes(16).toString("hex"); // equal pointers must not have equal ETags
  const body = Buffer.from(JSON.stringify({ version: 1, nonce, ...next }));
  const headers = { "content-type": "application/json", "cache-control": "no-store" };
  const isOurs = (bytes: Uint8Array): boolean => nonceOf(bytes) === nonce;
  const etags = next.conditions?.etags;
  const upload = { key: place.key, body, headers, etag: read.etag, etags, isOurs };
  const written = await writeNonced(place.bucket, upload, options);
  if ("etag" in written) return { pointer: next, etag: written.etag };
  throw overtaken(place, next.stamp, written.found?.body);
}

/**
 * Refuses a run that is older than the one which wrote the pointer last.
 *
 * @throws {LockstepError} `FENCED`
 */
export function refuseOlder(place: PointerPlace, { stamp }: Pointer, ours: Stamp): void {
  if (stamp === undefined || stamp.lineage !== ours.lineage || stamp.epoch <= ours.epoch) return;
  throw fenced(nameOf(place), { ours: ours.epoch, found: stamp.epoch });
}

/** The control object as messages name it. */
export function nameOf({ bucket, key }: PointerPlace): string {
  return `${bucket.name}/${key}`;
}

function overtaken(place: PointerPlace, ours: Stamp, body: Uint8Array | undefined): unknown {
  if (body !== undefined) refuseOlder(place, parsePointer(place.key, body), ours);
  return stepConflict(nameOf(place), { wanted: "what this run had read", found: "another one" });
}

function nonceOf(body: Uint8Array): unknown {
  try {
    return (JSON.parse(Buffer.from(body).toString()) as { readonly nonce?: unknown }).nonce;
  } catch {
    return undefined; // whatever it is, it is not ours
  }
}

function parsePointer(key: string, body: Uint8Array): Pointer {
  let parsed: Partial<Pointer> & { readonly version?: unknown };
  try {
    parsed = JSON.parse(Buffer.from(body).toString()) as typeof parsed;
  } catch (cause) {
    throw manifestUnfit(key, "is no JSON", cause);
  }
  if (parsed.version !== 1) throw manifestUnfit(key, `has the format ${String(parsed.version)}`);
  const { live, made, moving, past, stamp, begun, conditions } = parsed;
  const isWhole =
    (live === null || isRef(live)) &&
    (moving === undefined || isRef(moving.to)) &&
    Array.isArray(past) &&
    past.every(({ ref }) => isRef(ref));
  if (!isWhole) throw manifestUnfit(key, "is damaged");
  const seen = typeof conditions === "object" ? conditions : undefined; // a bare word says nothing of the server
  return { live, made, moving, past, stamp, begun, conditions: seen };
}

function isRef(value: unknown): value is string {
  return typeof value === "string" && /^sha256:[0-9a-f]{64}$/.test(value);
}
