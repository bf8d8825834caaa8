import { env } from "node:process";
import {
  API_VERSION,
  checkOptions,
  isStoreKey,
  readSecret,
  type Secret,
  type Store,
  type Stored,
} from "@lockstep/plugin";
import { z } from "zod";
import { openBucket } from "../aws-bucket.ts";
import type { BucketLimits, BucketSurroundings } from "../aws-client.ts";
import {
  type BucketOptions,
  type BucketSettings,
  bucketSettings,
  bucketShape,
  placeOf,
} from "../bucket-options.ts";
import type { Bucket } from "../bucket.ts";
import { writeNonced } from "../conditional.ts";
import {
  storeKeyWrong,
  storeOptionsWrong,
  storeValueForeign,
  storeWithoutConditions,
} from "../errors.ts";
import { type Capabilities, decidesWrites } from "../probe/capabilities.ts";
import { probe } from "../probe/probe.ts";
import { VERSION } from "../version.ts";
import { holdsValue, recordOf, valueOf } from "./record.ts";

/** How the state of an environment is kept in a bucket. */
export interface S3StoreOptions extends BucketOptions {
  /** Where in the bucket, for this environment alone: `state/production/`. */
  readonly prefix: string;
  /** Milliseconds after which an unrenewed lease may be taken; at least 2,000, default 60,000. */
  readonly ttlMs?: number;
}

/** A store in objects of a bucket. */
export interface S3Store extends Store, AsyncDisposable {
  /** The same store, with secrets in files below an absolute folder; the runner calls it once it knows where the config file is. */
  within(base: string): S3Store;
}

interface StoreSettings {
  readonly bucket: BucketSettings;
  readonly prefix: string;
  readonly ttlMs: number;
}

const schema: z.ZodType<StoreSettings> = z
  .strictObject({
    ...bucketShape,
    prefix: z
      .string()
      .refine(
        (text) => isStoreKey(text.replace(/\/$/, "")),
        "This is no prefix such as state/production/",
      )
      .transform((text) => (text.endsWith("/") ? text : `${text}/`)),
    ttlMs: z.int().min(2000).default(60_000),
  })
  .transform((written) => ({
    bucket: bucketSettings(written),
    prefix: written.prefix,
    ttlMs: written.ttlMs,
  }));

/** A lease must be renewed in time: rather an error than an answer that is minutes late. */
const LIMITS: BucketLimits = {
  inFlight: 64,
  tries: 8,
  backoffMs: 100,
  timeoutMs: 10_000,
  deadlineMs: 60_000,
};

/**
 * Keeps lease, journal and history in a bucket, for runners that share nothing but that bucket.
 *
 * Each key is one object. Every write is conditional, `If-None-Match: *` or `If-Match`, and no clock is compared. A
 * removed key leaves an object of 32 bytes behind, because not every server knows conditions for removing. A server
 * that ignores conditions is found before the first write, and refused: `S3_STORE_CONDITIONS`. Connects when first
 * used.
 *
 * @throws {LockstepError} `S3_STORE_OPTIONS` for options that are wrong
 */
export function s3Store(options: S3StoreOptions): S3Store {
  const checked = checkOptions(schema, options);
  if (checked.problems !== undefined) throw storeOptionsWrong(checked.problems);
  return storeIn(checked.value, "/");
}

function storeIn(settings: StoreSettings, folder: string): S3Store {
  const { prefix, ttlMs } = settings;
  const access = accessOf(settings, folder);
  const records = recordsIn(access, prefix);
  return {
    "~lockstep": { api: API_VERSION, plugin: "@lockstep/s3", version: VERSION },
    traits: { durable: true },
    place: placeOf(settings.bucket, prefix),
    ttlMs,
    within: (base) => storeIn(settings, base),
    get: records.read,
    async create(key, body) {
      const tag = await records.write(key, { value: body });
      return tag === undefined ? "exists" : { tag };
    },
    async replace(key, body, tag) {
      const next = await records.write(key, { value: body, etag: tag });
      return next === undefined ? "moved" : { tag: next };
    },
    remove: async (key, tag) =>
      (await records.write(key, { etag: tag })) === undefined ? "moved" : "removed",
    list: records.list,
    [Symbol.asyncDispose]: () => access[Symbol.asyncDispose](),
  };
}

/** The bucket of a store, opened when first used, and tried out before the first write. */
interface StoreAccess extends AsyncDisposable {
  bucket(): Promise<Bucket>;
  /** @throws {LockstepError} `S3_STORE_CONDITIONS` */
  trusted(): Promise<Capabilities>;
}

function accessOf({ bucket: settings, prefix }: StoreSettings, folder: string): StoreAccess {
  const surroundings = surroundingsIn(folder);
  let opened: Promise<Bucket> | undefined;
  let verdict: Promise<Capabilities> | undefined;
  const bucket = (): Promise<Bucket> =>
    (opened ??= openBucket(settings, surroundings, LIMITS).catch((error: unknown) => {
      opened = undefined;
      throw error;
    }));
  const look = async (): Promise<Capabilities> => {
    const found = await probe(await bucket(), { settings, surroundings, limits: LIMITS, prefix });
    if (decidesWrites(found)) return found;
    const { create, replace } = found;
    throw storeWithoutConditions(
      placeOf(settings, prefix),
      `If-None-Match is ${create}, If-Match is ${replace}`,
    );
  };
  return {
    bucket,
    trusted: () =>
      (verdict ??= look().catch((error: unknown) => {
        verdict = undefined; // trouble may pass
        throw error;
      })),
    async [Symbol.asyncDispose]() {
      await (await opened)?.[Symbol.asyncDispose]();
    },
  };
}

/** Records below a prefix. */
interface Records {
  read(key: string): Promise<Stored | undefined>;
  /** The new tag; undefined when something else is there. */
  write(key: string, change: Change): Promise<string | undefined>;
  list(prefix: string): AsyncIterable<string>;
}

function recordsIn({ bucket, trusted }: StoreAccess, prefix: string): Records {
  const records: Records = {
    async read(key) {
      const name = objectOf(prefix, key);
      const found = await (await bucket()).get(name);
      if (found === undefined) return undefined;
      const body = valueOf(found.body);
      if (body === null) throw storeValueForeign(name);
      return body === undefined ? undefined : { body, tag: found.etag };
    },
    async write(key, { value, etag }) {
      const name = objectOf(prefix, key);
      const { etags } = await trusted();
      const { body, isOurs } = recordOf(value);
      const upload = { key: name, body, headers: HEADERS, etag, etags, isOurs };
      const written = await writeNonced(await bucket(), upload);
      if ("etag" in written) return written.etag;
      // a key that was removed is free again
      const { found } = written;
      const isFree = etag === undefined && found !== undefined && valueOf(found.body) === undefined;
      return isFree ? records.write(key, { value, etag: found.etag }) : undefined;
    },
    async *list(wanted) {
      for await (const { key, size } of (await bucket()).list(`${prefix}${wanted}`)) {
        const name = key.slice(prefix.length);
        if (holdsValue(size) && isStoreKey(name)) yield name;
      }
    },
  };
  return records;
}

/** A value to be written, or none to be removed; where there is none, or where the object has this ETag. */
interface Change {
  readonly value?: Uint8Array | undefined;
  readonly etag?: string;
}

const HEADERS = { "content-type": "application/octet-stream", "cache-control": "no-store" };

function objectOf(prefix: string, key: string): string {
  if (!isStoreKey(key)) throw storeKeyWrong(key);
  return `${prefix}${key}`;
}

/** A store is asked outside of a run, so it looks at this machine by itself. */
function surroundingsIn(folder: string): BucketSurroundings {
  const { signal } = new AbortController();
  return {
    env,
    secret: (wanted: Secret) => readSecret(wanted, { env, folder, signal }),
    random: Math.random,
  };
}
