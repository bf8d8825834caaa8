import { hash } from "node:crypto";
import {
  type BucketLimits,
  type BucketSurroundings,
  openClient,
  usualLimits,
} from "./aws-client.ts";
import type { BucketSettings } from "./bucket-options.ts";
import type { Bucket, Listed } from "./bucket.ts";
import type { Calls } from "./calls.ts";
import { engineCalls } from "./engine-calls.ts";
import { createEngine } from "./engine.ts";
import { answerUnexpected } from "./errors.ts";
import { failureOf, judge } from "./judge.ts";
import { createPace } from "./pace.ts";
import { patiently, type Patience } from "./patience.ts";
import { sdkCalls, type SdkCalls } from "./sdk-calls.ts";

/** How requests of one bucket are sent. */
interface Access {
  readonly settings: BucketSettings;
  readonly patience: Patience;
  readonly sdk: SdkCalls;
  /** The quicker way where there is one, else the SDK. */
  readonly hot: Calls;
}

/** Opens a bucket through the SDK. Opens no socket. */
export async function openBucket(
  settings: BucketSettings,
  surroundings: BucketSurroundings,
  limits: BucketLimits = usualLimits,
): Promise<Bucket> {
  const { tries, backoffMs, inFlight } = limits;
  const pace = createPace({ most: inFlight });
  const opened = await openClient(settings, surroundings, limits);
  const sdk = sdkCalls(opened, settings);
  const engine = createEngine(opened.client, settings);
  const hot = engine === undefined ? sdk : engineCalls(engine, settings);
  const patience = { pace, tries, backoffMs, random: surroundings.random };
  return {
    ...bucketOf({ settings, patience, sdk, hot }),
    async [Symbol.asyncDispose]() {
      opened.client.destroy();
    },
  };
}

function bucketOf(access: Access): Omit<Bucket, typeof Symbol.asyncDispose> {
  const { settings, sdk, hot } = access;
  return {
    name: `s3://${settings.bucket}`,

    async get(key, { signal } = {}) {
      const found = await send(access, { method: "GET", key, signal }, () => sdk.get(key, signal));
      return typeof found === "string" ? undefined : found;
    },

    async head(key, { signal } = {}) {
      const found = await send(access, { method: "HEAD", key, signal }, () =>
        hot.head(key, signal),
      );
      return typeof found === "string" ? undefined : found;
    },

    async put(upload, { signal } = {}) {
      const sha256 = upload.sha256 ?? hash("sha256", upload.body, "hex");
      const digested = { ...upload, sha256 };
      const written = await send(access, { method: "PUT", key: upload.key, signal }, () =>
        hot.put(digested, signal),
      );
      return typeof written === "string" ? "refused" : written;
    },

    async copy(copy, { signal } = {}) {
      const copied = await send(access, { method: "COPY", key: copy.to, signal }, () =>
        hot.copy(copy, signal),
      );
      return copied !== "missing";
    },

    async remove(key, { signal, etag } = {}) {
      const removed = await send(access, { method: "DELETE", key, signal }, () =>
        hot.remove(key, { etag }, signal),
      );
      return removed === "refused" ? "refused" : "removed";
    },

    list: (prefix, { signal } = {}) => list(access, prefix, signal),
  };
}

/** What a request is about. */
interface About {
  readonly method: string;
  readonly key: string;
  readonly signal: AbortSignal | undefined;
}

/** Sends one request, again after passing trouble; `missing` and `refused` are answers. */
async function send<T>(
  { settings, patience }: Access,
  { method, key, signal }: About,
  call: () => Promise<T>,
): Promise<T | "missing" | "refused"> {
  const what = `${method} s3://${settings.bucket}/${key}`;
  const answered = async (): Promise<T | "missing" | "refused"> => {
    try {
      return await call();
    } catch (error) {
      const { status, code } = failureOf(error);
      if (status === 404 && code !== "NoSuchBucket") return "missing";
      if (status === 412) return "refused";
      throw error;
    }
  };
  const judged = (error: unknown): ReturnType<typeof judge> => judge(what, settings.bucket, error);
  return patiently(patience, { what, send: answered, judge: judged }, signal);
}

async function* list(
  access: Access,
  prefix: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Listed> {
  const seen = new Set<string>();
  for (let token: string | undefined; ;) {
    const asked = token;
    const page = await send(access, { method: "LIST", key: prefix, signal }, () =>
      access.sdk.list(prefix, asked, signal),
    );
    if (typeof page === "string") return;
    for (const { Key, Size, ETag } of page.Contents ?? []) {
      yield { key: decodeKey(Key ?? ""), size: Size ?? 0, etag: ETag ?? "" };
    }
    token = page.NextContinuationToken;
    if (page.IsTruncated !== true) return;
    // what is not known to be whole is never built on
    if (token === undefined || seen.has(token)) {
      throw answerUnexpected(
        `LIST ${access.settings.bucket}/${prefix}`,
        "with the same page again",
      );
    }
    seen.add(token);
  }
}

function decodeKey(key: string): string {
  return decodeURIComponent(key.replaceAll("+", "%20"));
}
