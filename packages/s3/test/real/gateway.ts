import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  NoSuchKey,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { startRadosgw } from "@lockstep/testkit";
import type { ServedObject } from "../website.ts";
import type { Seen, Server } from "../world.ts";

/** A real S3 server, and a client of its own that knows nothing of the plugin. */
export interface Gateway extends Server, AsyncDisposable {
  /** A new, empty bucket. */
  bucket(): Promise<string>;
  /** Every object below a prefix, as somebody else reads it. */
  read(bucket: string, prefix?: string): Promise<Map<string, Seen>>;
  /** Every key below a prefix, without a word to the plugin. */
  keys(bucket: string, prefix?: string): Promise<string[]>;
  /** One object with its bytes; undefined when there is none. */
  get(bucket: string, key: string): Promise<ServedObject | undefined>;
  /** Keys of uploads in parts that are under way. */
  uploads(bucket: string): Promise<string[]>;
  /** Gives the bucket a policy. */
  allow(bucket: string, policy: object): Promise<void>;
  /** Somebody else writes. */
  write(bucket: string, key: string, text: string): Promise<void>;
}

/** Starts a gateway; once for a suite. */
export async function openGateway(): Promise<Gateway> {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-rgw-"));
  const server = await startRadosgw({ folder });
  const { endpoint, region, credentials } = server;
  const client = new S3Client({
    endpoint,
    region,
    credentials,
    forcePathStyle: true,
    requestChecksumCalculation: "WHEN_REQUIRED",
  });
  let buckets = 0;
  return {
    endpoint,
    region,
    credentials,
    async bucket() {
      buckets += 1;
      const Bucket = `bucket-${buckets}`;
      await client.send(new CreateBucketCommand({ Bucket }));
      return Bucket;
    },
    read: (bucket, prefix = "") => readAll(client, bucket, prefix),
    keys: (bucket, prefix = "") => listAll(client, bucket, prefix),
    get: (bucket, key) => getOne(client, bucket, key),
    async uploads(Bucket) {
      const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }));
      return Uploads.map(({ Key = "" }) => Key);
    },
    async allow(Bucket, policy) {
      await client.send(new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify(policy) }));
    },
    async write(Bucket, Key, Body) {
      await client.send(new PutObjectCommand({ Bucket, Key, Body }));
    },
    async [Symbol.asyncDispose]() {
      client.destroy();
      await server[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function listAll(client: S3Client, Bucket: string, Prefix: string): Promise<string[]> {
  const keys: string[] = [];
  let ContinuationToken: string | undefined;
  do {
    const page = await client.send(
      new ListObjectsV2Command({
        Bucket,
        Prefix,
        ...(ContinuationToken === undefined ? {} : { ContinuationToken }),
      }),
    );
    keys.push(...(page.Contents ?? []).map(({ Key = "" }) => Key));
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken !== undefined);
  return keys;
}

async function getOne(
  client: S3Client,
  Bucket: string,
  Key: string,
): Promise<ServedObject | undefined> {
  try {
    const object = await client.send(new GetObjectCommand({ Bucket, Key }));
    const { ContentType, CacheControl, WebsiteRedirectLocation, Metadata = {} } = object;
    const known = {
      "content-type": ContentType,
      "cache-control": CacheControl,
      "x-amz-website-redirect-location": WebsiteRedirectLocation,
      ...Object.fromEntries(
        Object.entries(Metadata).map(([name, value]) => [`x-amz-meta-${name}`, value]),
      ),
    };
    const headers = Object.entries(known).filter(([, value]) => value !== undefined);
    const body = (await object.Body?.transformToByteArray()) ?? new Uint8Array();
    return { body, headers: Object.fromEntries(headers) as Record<string, string> };
  } catch (error) {
    if (error instanceof NoSuchKey) return undefined;
    throw error;
  }
}

async function readAll(
  client: S3Client,
  Bucket: string,
  Prefix: string,
): Promise<Map<string, Seen>> {
  const objects = new Map<string, Seen>();
  for (const Key of await listAll(client, Bucket, Prefix)) {
    const object = await client.send(new GetObjectCommand({ Bucket, Key }));
    const { ContentType, CacheControl, Metadata, WebsiteRedirectLocation } = object;
    const headers = {
      "content-type": ContentType ?? "",
      "cache-control": CacheControl ?? "",
      location: WebsiteRedirectLocation ?? "",
      ...Metadata,
    };
    objects.set(Key, { body: (await object.Body?.transformToString()) ?? "", headers });
  }
  return objects;
}
