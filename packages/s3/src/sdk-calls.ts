import type { ListObjectsV2Output } from "@aws-sdk/client-s3";
import type { AwsClient } from "./aws-client.ts";
import type { BucketSettings } from "./bucket-options.ts";
import type { ObjectHead } from "./bucket.ts";
import type { Calls } from "./calls.ts";
import { sdkHeaders, toHead } from "./object-headers.ts";

/** All requests, through the SDK. */
export interface SdkCalls extends Calls {
  get(key: string, signal?: AbortSignal): Promise<ObjectHead & { readonly body: Uint8Array }>;
  /** One page of a listing; names are URL-encoded. */
  list(
    prefix: string,
    token: string | undefined,
    signal?: AbortSignal,
  ): Promise<ListObjectsV2Output>;
}

/** The part of the SDK's stacks that is used here, whatever command they belong to. */
interface Stack {
  add(
    middleware: (next: (args: Built) => Promise<never>) => (args: Built) => Promise<never>,
    options: { readonly step: "build"; readonly name: string },
  ): void;
}

interface Built {
  readonly request: unknown;
}

/** Sends every request through the SDK. */
export function sdkCalls(aws: AwsClient, settings: BucketSettings): SdkCalls {
  const owned = ownedBy(settings);
  return { ...readingCalls(aws, owned), ...writingCalls(aws, owned, settings.storedWith) };
}

/** What every request about the bucket says. */
export interface Owned {
  readonly Bucket: string;
  readonly ExpectedBucketOwner?: string;
}

/** Names the bucket, and whose it must be. */
export function ownedBy({
  bucket: Bucket,
  expectedBucketOwner: ExpectedBucketOwner,
}: BucketSettings): Owned {
  return { Bucket, ...(ExpectedBucketOwner === undefined ? {} : { ExpectedBucketOwner }) };
}

function readingCalls(
  { sdk, client }: AwsClient,
  owned: Owned,
): Pick<SdkCalls, "get" | "head" | "list"> {
  return {
    async get(Key, signal) {
      const command = new sdk.GetObjectCommand({ ...owned, Key });
      const answer = await client.send(command, abortable(signal));
      const body = (await answer.Body?.transformToByteArray()) ?? new Uint8Array();
      return { etag: answer.ETag ?? "", size: body.byteLength, ...toHead(answer), body };
    },

    async head(Key, signal) {
      const command = new sdk.HeadObjectCommand({ ...owned, Key });
      const answer = await client.send(command, abortable(signal));
      const { ETag: etag = "", ContentLength: size = 0 } = answer;
      return { etag, size, ...toHead(answer) };
    },

    list(Prefix, token, signal) {
      const page = token === undefined ? {} : { ContinuationToken: token };
      const asked = { ...owned, ...page, Prefix, EncodingType: "url" } as const;
      return client.send(new sdk.ListObjectsV2Command(asked), abortable(signal));
    },
  };
}

function writingCalls(
  { sdk, client }: AwsClient,
  owned: Owned,
  storedWith: Readonly<Record<string, string>>,
): Pick<SdkCalls, "put" | "copy" | "remove"> {
  return {
    async put({ key: Key, body: Body, sha256, headers = {}, absent, etag }, signal) {
      const command = new sdk.PutObjectCommand({
        ...owned,
        Key,
        Body,
        ContentLength: Body.byteLength,
        ...sdkHeaders(headers),
        ...conditionOf({ absent, etag }),
      });
      // the signer takes a digest that is there already: the server then refuses any other bytes
      addHeaders(command.middlewareStack, { ...storedWith, "x-amz-content-sha256": sha256 });
      const answer = await client.send(command, abortable(signal));
      return { etag: answer.ETag ?? "" };
    },

    async copy({ from, fromEtag, to: Key, headers, absent, etag }, signal) {
      const command = new sdk.CopyObjectCommand({
        ...owned,
        Key,
        CopySource: copySource(owned.Bucket, from),
        ...(fromEtag === undefined ? {} : { CopySourceIfMatch: fromEtag }),
        MetadataDirective: "REPLACE",
        ...sdkHeaders(headers),
        ...conditionOf({ absent, etag }),
      });
      addHeaders(command.middlewareStack, storedWith);
      await client.send(command, abortable(signal));
    },

    async remove(Key, { etag }, signal) {
      const condition = etag === undefined ? {} : { IfMatch: etag };
      const command = new sdk.DeleteObjectCommand({ ...owned, Key, ...condition });
      await client.send(command, abortable(signal));
    },
  };
}

function conditionOf({
  absent,
  etag,
}: {
  readonly absent: boolean | undefined;
  readonly etag: string | undefined;
}): { IfNoneMatch?: "*"; IfMatch?: string } {
  return {
    ...(absent === true ? { IfNoneMatch: "*" } : {}),
    ...(etag === undefined ? {} : { IfMatch: etag }),
  };
}

/** Where a copy is taken from, as the header has it. */
export function copySource(bucket: string, key: string): string {
  return `${bucket}/${key}`.split("/").map(encodeURIComponent).join("/");
}

/** Sets headers that the SDK has no better word for; they are signed like the rest. */
export function addHeaders(stack: object, headers: Readonly<Record<string, string>>): void {
  (stack as Stack).add(
    (next) => (args) => {
      Object.assign((args.request as { headers: Record<string, string> }).headers, headers);
      return next(args);
    },
    { step: "build", name: "lockstepHeaders" },
  );
}

/** A signal in the form the SDK takes it. */
export function abortable(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}
