import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SandboxS3 } from "../src/index.ts";

/** In what servers differ that otherwise do the same. */
export interface S3Manners {
  /** How `If-Match` must name what a write answered. */
  namesEtag(etag: string): string;
  /** Whether conditions of copies, removals and uploads in parts are obeyed. */
  readonly obeysElsewhere: boolean;
  /** Whether a copy takes the redirect location along. */
  readonly copiesRedirects: boolean;
  /** Status where `If-Match` names a missing key. */
  readonly missing: 404 | 412;
}

type S3Server = Pick<SandboxS3, "endpoint" | "region" | "credentials"> & AsyncDisposable;

/** Which server is compared with the promises. */
export interface S3ServerCase {
  readonly manners: S3Manners;
  /** Starts it, with one bucket. */
  open(bucket: string): Promise<S3Server>;
}

const Bucket = "site";
const PART = 5 << 20;

/** Registers one test for each promise that a server of S3 keeps, real or not. */
export function describeS3Server(name: string, { manners, open }: S3ServerCase): void {
  describe(`${name} is an S3 server:`, () => {
    let server: S3Server;
    let client: S3Client;
    beforeAll(async () => {
      server = await open(Bucket);
      client = clientOf(server);
    });
    afterAll(async () => {
      client.destroy();
      await server[Symbol.asyncDispose]();
    });
    it.each(promises)("$title", async ({ holds }) => {
      await expect(holds({ server, client, manners })).resolves.toBeUndefined();
    });
  });
}

interface Asked {
  readonly server: S3Server;
  readonly client: S3Client;
  readonly manners: S3Manners;
}

interface Promised {
  readonly title: string;
  holds(asked: Asked): Promise<void>;
}

const refusedBy = (code: number): unknown =>
  expect.objectContaining({ $metadata: expect.objectContaining({ httpStatusCode: code }) });

const promises: readonly Promised[] = [
  {
    title: "it keeps bytes, system headers and metadata, under names with any character",
    async holds({ client }) {
      const Key = "docs/a b+ü&'.html";
      await client.send(
        new PutObjectCommand({
          Bucket,
          Key,
          Body: "<p>hello",
          ContentType: "text/html; charset=utf-8",
          CacheControl: "no-cache",
          Metadata: { release: "r1" },
        }),
      );
      const found = await client.send(new GetObjectCommand({ Bucket, Key }));
      expect(await found.Body?.transformToString()).toBe("<p>hello");
      expect(found).toMatchObject({
        ContentType: "text/html; charset=utf-8",
        CacheControl: "no-cache",
        Metadata: { release: "r1" },
      });
    },
  },
  {
    title: "exactly one of sixteen callers creates a key",
    async holds({ client }) {
      const create = (Body: string) =>
        client.send(new PutObjectCommand({ Bucket, Key: "race", Body, IfNoneMatch: "*" }));
      const results = await Promise.allSettled(
        Array.from({ length: 16 }, (_, at) => create(`${at}`)),
      );
      expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      await expect(create("late")).rejects.toEqual(refusedBy(412));
    },
  },
  {
    title: "only the object whose ETag is named is replaced",
    async holds({ client, manners }) {
      const Key = "replace";
      const { ETag: old = "" } = await client.send(
        new PutObjectCommand({ Bucket, Key, Body: "1" }),
      );
      const IfMatch = manners.namesEtag(old);
      const replace = (Body: string) =>
        client.send(new PutObjectCommand({ Bucket, Key, Body, IfMatch }));
      await replace("2");
      await expect(replace("3")).rejects.toEqual(refusedBy(412));
      expect(await textOf(client, Key)).toBe("2");
    },
  },
  {
    title: "an ETag of a missing key is refused",
    async holds({ client, manners }) {
      const IfMatch = manners.namesEtag('"00000000000000000000000000000000"');
      const replaced = client.send(
        new PutObjectCommand({ Bucket, Key: "none", Body: "1", IfMatch }),
      );
      await expect(replaced).rejects.toEqual(refusedBy(manners.missing));
    },
  },
  {
    title: "conditions of removals are obeyed, or ignored in silence",
    async holds({ client, manners }) {
      const Key = "remove";
      await client.send(new PutObjectCommand({ Bucket, Key, Body: "1" }));
      const removed = client.send(
        new DeleteObjectCommand({ Bucket, Key, IfMatch: '"00000000000000000000000000000000"' }),
      );
      if (manners.obeysElsewhere) await expect(removed).rejects.toEqual(refusedBy(412));
      else await removed;
      expect(await keysIn(client, Key)).toEqual(manners.obeysElsewhere ? [Key] : []);
    },
  },
  {
    title: "a copy has the headers of its source, or its own and no others",
    async holds({ client, manners }) {
      const from = { Bucket, Key: "copy/from", ContentType: "text/css", Body: "x" };
      await client.send(new PutObjectCommand({ ...from, WebsiteRedirectLocation: "/to" }));
      const CopySource = `${Bucket}/copy/from`;
      await client.send(new CopyObjectCommand({ Bucket, Key: "copy/same", CopySource }));
      await client.send(
        new CopyObjectCommand({
          Bucket,
          Key: "copy/own",
          CopySource,
          MetadataDirective: "REPLACE",
          ContentType: "text/plain",
        }),
      );
      const same = await client.send(new HeadObjectCommand({ Bucket, Key: "copy/same" }));
      const own = await client.send(new HeadObjectCommand({ Bucket, Key: "copy/own" }));
      expect([same.ContentType, own.ContentType]).toEqual(["text/css", "text/plain"]);
      expect([same.WebsiteRedirectLocation, own.WebsiteRedirectLocation]).toEqual([
        manners.copiesRedirects ? "/to" : undefined,
        undefined,
      ]);
    },
  },
  {
    title: "conditions of copies are obeyed, or ignored in silence",
    async holds({ client, manners }) {
      await client.send(new PutObjectCommand({ Bucket, Key: "taken", Body: "1" }));
      const copied = client.send(
        new CopyObjectCommand({
          Bucket,
          Key: "taken/copy",
          CopySource: `${Bucket}/taken`,
          CopySourceIfMatch: '"00000000000000000000000000000000"',
        }),
      );
      if (manners.obeysElsewhere) await expect(copied).rejects.toEqual(refusedBy(412));
      else await copied;
      expect(await keysIn(client, "taken/")).toEqual(manners.obeysElsewhere ? [] : ["taken/copy"]);
    },
  },
  {
    title: "keys are listed page by page in the order of UTF-8",
    async holds({ client }) {
      for (const key of ["list/b", "list/ü +&", "list/a", "lists"]) {
        await client.send(new PutObjectCommand({ Bucket, Key: key, Body: "x" }));
      }
      expect(await keysIn(client, "list/", 2)).toEqual(["list/a", "list/b", "list/ü +&"]);
    },
  },
  {
    title: "many objects are removed at once, and a missing one is no failure",
    async holds({ client }) {
      const keys = ["many/a", "many/b & <c>", "many/d"];
      for (const Key of keys) await client.send(new PutObjectCommand({ Bucket, Key, Body: "x" }));
      const Objects = [...keys.slice(0, 2), "many/none"].map((Key) => ({ Key }));
      const { Errors = [] } = await client.send(
        new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }),
      );
      expect(Errors).toEqual([]);
      expect(await keysIn(client, "many/")).toEqual(["many/d"]);
    },
  },
  {
    title: "an object arrives in parts, and is not seen before all are there",
    async holds({ client }) {
      const Key = "parts";
      const parts = [Buffer.alloc(PART, "a"), Buffer.from("end")];
      const { UploadId } = await client.send(
        new CreateMultipartUploadCommand({ Bucket, Key, ContentType: "text/plain" }),
      );
      const etags: (string | undefined)[] = [];
      for (const [at, Body] of parts.entries()) {
        const { ETag } = await client.send(
          new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: at + 1, Body }),
        );
        etags.push(ETag);
      }
      expect(await keysIn(client, Key)).toEqual([]);
      const Parts = etags.map((ETag, at) => ({ ETag, PartNumber: at + 1 }));
      await client.send(
        new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }),
      );
      const found = await client.send(new GetObjectCommand({ Bucket, Key }));
      const body = Buffer.from((await found.Body?.transformToByteArray()) ?? []);
      expect(body.equals(Buffer.concat(parts))).toBe(true);
      expect(found.ContentType).toBe("text/plain");
      expect(found.ETag).toMatch(/^"[0-9a-f]{32}-2"$/);
    },
  },
  {
    title: "who has another secret is refused",
    async holds({ server }) {
      const { endpoint, region, credentials } = server;
      const stranger = clientOf({
        endpoint,
        region,
        credentials: { ...credentials, secretAccessKey: "another-secret-key" },
      });
      await expect(stranger.send(new ListObjectsV2Command({ Bucket }))).rejects.toEqual(
        refusedBy(403),
      );
      stranger.destroy();
    },
  },
];

/** A client that knows nothing of the project. */
export function clientOf(server: Pick<SandboxS3, "endpoint" | "region" | "credentials">): S3Client {
  return new S3Client({
    endpoint: server.endpoint,
    region: server.region,
    credentials: server.credentials,
    forcePathStyle: true,
    maxAttempts: 3,
    requestChecksumCalculation: "WHEN_REQUIRED",
  });
}

async function textOf(client: S3Client, Key: string): Promise<string | undefined> {
  const found = await client.send(new GetObjectCommand({ Bucket, Key }));
  return found.Body?.transformToString();
}

async function keysIn(client: S3Client, Prefix: string, MaxKeys = 1000): Promise<string[]> {
  const keys: string[] = [];
  let ContinuationToken: string | undefined;
  do {
    const page = await client.send(
      new ListObjectsV2Command({ Bucket, Prefix, MaxKeys, ContinuationToken }),
    );
    keys.push(...(page.Contents ?? []).map(({ Key = "" }) => Key));
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken !== undefined);
  return keys;
}
