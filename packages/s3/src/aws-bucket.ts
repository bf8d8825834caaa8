import { hash } from "node:crypto";
import type { S3Client } from "@aws-sdk/client-s3";
import { type AccessCalls, accessCalls } from "./access-calls.ts";
import { readAccess } from "./access.ts";
import {
  type BucketLimits,
  type BucketSurroundings,
  openClient,
  usualLimits,
} from "./aws-client.ts";
import type { BucketSettings } from "./bucket-options.ts";
import type { Bucket, LargeUpload, Listed } from "./bucket.ts";
import type { Calls } from "./calls.ts";
import { areEnded, type SigningAccount, signingAccount } from "./credentials.ts";
import { engineCalls } from "./engine-calls.ts";
import { createEngine } from "./engine.ts";
import { answerUnexpected } from "./errors.ts";
import { failureOf } from "./failure.ts";
import { judge } from "./judge.ts";
import { createPace } from "./pace.ts";
import { partCalls, type PartCalls } from "./part-calls.ts";
import { partsOf } from "./parts.ts";
import { patiently, type Patience } from "./patience.ts";
import { correctRegion } from "./region.ts";
import { sdkCalls, type SdkCalls } from "./sdk-calls.ts";

/** How requests of one bucket are sent. */
interface Access {
  readonly settings: BucketSettings;
  readonly patience: Patience;
  readonly account: SigningAccount;
  readonly config: S3Client["config"];
  readonly sdk: SdkCalls;
  readonly parts: PartCalls;
  readonly reads: AccessCalls;
  /** The quicker way where there is one, else the SDK. */
  readonly hot: Calls;
}

/** Opens a bucket through the SDK. Opens no socket. */
export async function openBucket(
  settings: BucketSettings,
  surroundings: BucketSurroundings,
  limits: BucketLimits = usualLimits,
): Promise<Bucket> {
  const { tries, backoffMs, deadlineMs, inFlight } = limits;
  const pace = createPace({ most: inFlight });
  const opened = await openClient(settings, surroundings, limits);
  const sdk = sdkCalls(opened, settings);
  const engine = createEngine(opened.client, settings);
  const hot = engine === undefined ? sdk : engineCalls(engine, settings);
  const patience = { pace, tries, backoffMs, deadlineMs, random: surroundings.random };
  return {
    ...bucketOf({
      settings,
      patience,
      account: signingAccount(opened.client),
      config: opened.client.config,
      sdk,
      hot,
      parts: partCalls(opened, settings),
      reads: accessCalls(opened, settings),
    }),
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
      const found = await send(access, { method: "GET", key, signal }, (limit) =>
        sdk.get(key, limit),
      );
      return typeof found === "string" ? undefined : found;
    },

    async head(key, { signal } = {}) {
      const found = await send(access, { method: "HEAD", key, signal }, (limit) =>
        hot.head(key, limit),
      );
      return typeof found === "string" ? undefined : found;
    },

    async put(upload, { signal } = {}) {
      const sha256 = upload.sha256 ?? hash("sha256", upload.body, "hex");
      const digested = { ...upload, sha256 };
      const written = await send(access, { method: "PUT", key: upload.key, signal }, (limit) =>
        hot.put(digested, limit),
      );
      return typeof written === "string" ? "refused" : written;
    },

    putLarge: (upload, { signal } = {}) => putLarge(access, upload, signal),

    async copy(copy, { signal } = {}) {
      const copied = await send(access, { method: "COPY", key: copy.to, signal }, (limit) =>
        hot.copy(copy, limit),
      );
      return copied === "missing" || copied === "refused" ? copied : "copied";
    },

    async remove(key, { signal, etag } = {}) {
      const removed = await send(access, { method: "DELETE", key, signal }, (limit) =>
        hot.remove(key, { etag }, limit),
      );
      return removed === "refused" ? "refused" : "removed";
    },

    list: (prefix, { signal } = {}) => list(access, prefix, signal),

    access: ({ signal } = {}) =>
      readAccess(
        access.reads,
        (setting, call) => send(access, { method: "GET", key: `?${setting}`, signal }, call),
        signal,
      ),

    credentialsMs: () => access.account.leftMs(),
  };
}

/** What a request is about. */
interface About {
  readonly method: string;
  readonly key: string;
  readonly signal: AbortSignal | undefined;
}

/** What S3 calls a bucket that is in another region. */
const MOVED = "PermanentRedirect";

/** Sends one request, again after passing trouble; `missing` and `refused` are answers. */
async function send<T>(
  { settings, patience, account, config }: Access,
  { method, key, signal }: About,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T | "missing" | "refused"> {
  const what = `${method} s3://${settings.bucket}/${key}`;
  const answered = async (limit: AbortSignal): Promise<T | "missing" | "refused"> => {
    const sentAt = performance.now();
    try {
      return await call(limit);
    } catch (error) {
      const { status, code } = failureOf(error);
      if (status === 404 && code !== "NoSuchBucket") return "missing";
      if (status === 412) return "refused";
      if (areEnded(code)) await account.refresh(sentAt);
      if (correctRegion(config, error)) throw Object.assign(new Error(), { code: MOVED });
      throw await account.withoutSecrets(error);
    }
  };
  const judged = (error: unknown): ReturnType<typeof judge> => judge(what, settings.bucket, error);
  return patiently(patience, { what, send: answered, judge: judged }, signal);
}

/**
 * One part at a time, so that one is held. What fails takes its parts back as well as it can; where the
 * process dies they stay until a rule of the bucket removes them, and are part of no object.
 */
async function putLarge(
  access: Access,
  { key, headers, partBytes, pieces }: LargeUpload,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { parts, hot } = access;
  const id = await must(access, { method: "POST", key, signal }, (limit) =>
    parts.start(key, headers, limit),
  );
  try {
    const etags: string[] = [];
    for await (const body of partsOf(pieces, partBytes)) {
      const part = { key, id, number: etags.length + 1, body, sha256: hash("sha256", body, "hex") };
      const about = { method: "PUT", key, signal };
      etags.push(await must(access, about, (limit) => parts.send(part, limit)));
    }
    const done = await send(access, { method: "POST", key, signal }, (limit) =>
      parts.complete({ key, id, etags }, limit),
    );
    // an upload that is gone was completed by a try whose answer was lost
    if (done === "missing") {
      await must(access, { method: "HEAD", key, signal }, (limit) => hot.head(key, limit));
    }
  } catch (error) {
    await parts.abort({ key, id }).catch(() => undefined);
    throw error;
  }
}

/** As {@link send}, where no answer but the good one is expected. */
async function must<T>(
  access: Access,
  about: About,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const answer = await send(access, about, call);
  if (answer !== "missing" && answer !== "refused") return answer;
  throw answerUnexpected(
    `${about.method} s3://${access.settings.bucket}/${about.key}`,
    answer === "missing" ? "with 404" : "with 412",
  );
}

async function* list(
  access: Access,
  prefix: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Listed> {
  const seen = new Set<string>();
  for (let token: string | undefined; ;) {
    const asked = token;
    const page = await send(access, { method: "LIST", key: prefix, signal }, (limit) =>
      access.sdk.list(prefix, asked, limit),
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
