import { hash } from "node:crypto";
import {
  type AwsClient,
  type BucketLimits,
  type BucketSurroundings,
  openClient,
  usualLimits,
} from "./aws-client.ts";
import type { BucketSettings } from "./bucket-options.ts";
import type { Bucket, ObjectHead } from "./bucket.ts";
import { answerUnexpected } from "./errors.ts";
import { failureOf, judge } from "./judge.ts";
import { sdkHeaders, toHeaders } from "./object-headers.ts";
import { createPace } from "./pace.ts";
import { patiently, type Patience } from "./patience.ts";

/** The client of a bucket, with what its calls share. */
interface Access extends AwsClient {
  readonly settings: BucketSettings;
  readonly patience: Patience;
}

/** Opens a bucket through the SDK. Opens no socket. */
export async function openBucket(
  settings: BucketSettings,
  surroundings: BucketSurroundings,
  limits: BucketLimits = usualLimits,
): Promise<Bucket> {
  const { tries, backoffMs, inFlight } = limits;
  const pace = createPace({ most: inFlight });
  return bucketOf({
    ...(await openClient(settings, surroundings, limits)),
    settings,
    patience: { pace, tries, backoffMs, random: surroundings.random },
  });
}

function bucketOf(access: Access): Bucket {
  const { client, settings } = access;
  return {
    name: `s3://${settings.bucket}`,
    get: (key, options) => get(access, key, options?.signal),
    head: (key, options) => head(access, key, options?.signal),
    put: (upload, options) => put(access, upload, options?.signal),
    copy: (copied, options) => copy(access, copied, options?.signal),
    remove: (key, options) => remove(access, key, options),
    list: (prefix, options) => list(access, prefix, options?.signal),
    async [Symbol.asyncDispose]() {
      client.destroy();
    },
  };
}

/** Sends one request, again after passing trouble; `missing` and `refused` are answers. */
async function send<T>(
  { settings, patience }: Access,
  { method, key, call }: { method: string; key: string; call: () => Promise<T> },
  signal: AbortSignal | undefined,
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
  return patiently(
    patience,
    { what, send: answered, judge: (error) => judge(what, settings.bucket, error) },
    signal,
  );
}

function owned({ settings: { bucket, expectedBucketOwner } }: Access): {
  Bucket: string;
  ExpectedBucketOwner?: string;
} {
  return {
    Bucket: bucket,
    ...(expectedBucketOwner === undefined ? {} : { ExpectedBucketOwner: expectedBucketOwner }),
  };
}

const abortable = (signal: AbortSignal | undefined): { abortSignal?: AbortSignal } =>
  signal === undefined ? {} : { abortSignal: signal };

async function get(
  access: Access,
  key: string,
  signal?: AbortSignal,
): Promise<(ObjectHead & { body: Uint8Array }) | undefined> {
  const { sdk, client } = access;
  const call = async (): Promise<ObjectHead & { body: Uint8Array }> => {
    const answer = await client.send(
      new sdk.GetObjectCommand({ ...owned(access), Key: key }),
      abortable(signal),
    );
    const body = (await answer.Body?.transformToByteArray()) ?? new Uint8Array();
    return { etag: answer.ETag ?? "", size: body.byteLength, headers: toHeaders(answer), body };
  };
  const found = await send(access, { method: "GET", key, call }, signal);
  return typeof found === "string" ? undefined : found;
}

async function head(
  access: Access,
  key: string,
  signal?: AbortSignal,
): Promise<ObjectHead | undefined> {
  const { sdk, client } = access;
  const call = async (): Promise<ObjectHead> => {
    const answer = await client.send(
      new sdk.HeadObjectCommand({ ...owned(access), Key: key }),
      abortable(signal),
    );
    return { etag: answer.ETag ?? "", size: answer.ContentLength ?? 0, headers: toHeaders(answer) };
  };
  const found = await send(access, { method: "HEAD", key, call }, signal);
  return typeof found === "string" ? undefined : found;
}

async function put(
  access: Access,
  { key, body, headers = {}, absent, etag, ...upload }: Parameters<Bucket["put"]>[0],
  signal?: AbortSignal,
): Promise<{ etag: string } | "refused"> {
  const { sdk, client } = access;
  const sha256 = upload.sha256 ?? hash("sha256", body, "hex");
  const call = async (): Promise<{ etag: string }> => {
    const command = new sdk.PutObjectCommand({
      ...owned(access),
      Key: key,
      Body: body,
      ContentLength: body.byteLength,
      ...sdkHeaders(headers),
      ...(absent === true ? { IfNoneMatch: "*" } : {}),
      ...(etag === undefined ? {} : { IfMatch: etag }),
    });
    // the signer takes a digest that is there already: the server then refuses any other bytes
    command.middlewareStack.add(
      (next) => (args) => {
        const request = args.request as { headers: Record<string, string> };
        request.headers["x-amz-content-sha256"] = sha256;
        return next(args);
      },
      { step: "build", name: "lockstepDigest" },
    );
    const answer = await client.send(command, abortable(signal));
    return { etag: answer.ETag ?? "" };
  };
  const written = await send(access, { method: "PUT", key, call }, signal);
  return typeof written === "string" ? "refused" : written;
}

async function copy(
  access: Access,
  { from, to, headers }: Parameters<Bucket["copy"]>[0],
  signal?: AbortSignal,
): Promise<boolean> {
  const { sdk, client, settings } = access;
  const source = `${settings.bucket}/${from}`.split("/").map(encodeURIComponent).join("/");
  const call = async (): Promise<true> => {
    await client.send(
      new sdk.CopyObjectCommand({
        ...owned(access),
        Key: to,
        CopySource: source,
        MetadataDirective: "REPLACE",
        ...sdkHeaders(headers),
      }),
      abortable(signal),
    );
    return true;
  };
  return (await send(access, { method: "COPY", key: to, call }, signal)) === true;
}

async function remove(
  access: Access,
  key: string,
  { signal, etag }: { readonly signal?: AbortSignal | undefined; readonly etag?: string } = {},
): Promise<"removed" | "refused"> {
  const { sdk, client } = access;
  const call = async (): Promise<"removed"> => {
    const condition = etag === undefined ? {} : { IfMatch: etag };
    await client.send(
      new sdk.DeleteObjectCommand({ ...owned(access), Key: key, ...condition }),
      abortable(signal),
    );
    return "removed";
  };
  const removed = await send(access, { method: "DELETE", key, call }, signal);
  return removed === "refused" ? "refused" : "removed";
}

async function* list(
  access: Access,
  prefix: string,
  signal?: AbortSignal,
): AsyncGenerator<{ key: string; size: number; etag: string }> {
  const { sdk, client } = access;
  const seen = new Set<string>();
  for (let token: string | undefined; ;) {
    const call = () =>
      client.send(
        new sdk.ListObjectsV2Command({
          ...owned(access),
          Prefix: prefix,
          EncodingType: "url",
          ...(token === undefined ? {} : { ContinuationToken: token }),
        }),
        abortable(signal),
      );
    const page = await send(access, { method: "LIST", key: prefix, call }, signal);
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
