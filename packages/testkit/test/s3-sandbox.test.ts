import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  CopyObjectCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { expect, test } from "vitest";
import {
  type S3Quirks,
  type SandboxS3,
  type SandboxS3Options,
  startSandboxS3,
} from "../src/index.ts";

const Bucket = "site";
const Key = "docs/a b+ü.html";
const status = (code: number) =>
  expect.objectContaining({ $metadata: expect.objectContaining({ httpStatusCode: code }) });

test("keeps bytes, system headers and metadata of an object", async () => {
  await using world = await start();

  await world.client.send(
    new PutObjectCommand({
      Bucket,
      Key,
      Body: "<p>hello",
      ContentType: "text/html; charset=utf-8",
      CacheControl: "no-cache",
      Metadata: { release: "r1" },
    }),
  );

  const found = await world.client.send(new GetObjectCommand({ Bucket, Key }));
  expect(await found.Body?.transformToString()).toBe("<p>hello");
  expect(found).toMatchObject({
    ContentType: "text/html; charset=utf-8",
    CacheControl: "no-cache",
    Metadata: { release: "r1" },
  });
});

test("lets exactly one of sixteen callers create a key", async () => {
  await using world = await start();
  const create = (Body: string) =>
    world.client.send(new PutObjectCommand({ Bucket, Key, Body, IfNoneMatch: "*" }));

  const results = await Promise.allSettled(Array.from({ length: 16 }, (_, at) => create(`${at}`)));

  expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(1);
  const lost = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
  expect(lost).toEqual(Array.from({ length: 15 }, () => status(412)));
});

test("replaces and removes only the object whose ETag was named", async () => {
  await using world = await start();
  const { ETag: old } = await world.client.send(new PutObjectCommand({ Bucket, Key, Body: "1" }));
  const replace = (Body: string) =>
    world.client.send(new PutObjectCommand({ Bucket, Key, Body, IfMatch: old }));
  await replace("2");

  await expect(replace("3")).rejects.toEqual(status(412));
  await expect(
    world.client.send(new DeleteObjectCommand({ Bucket, Key, IfMatch: old })),
  ).rejects.toEqual(status(412));
  expect(Buffer.from(world.server.buckets.get(Bucket)?.get(Key)?.body ?? "").toString()).toBe("2");
});

test("answers 404 where If-Match names a missing key", async () => {
  await using world = await start();

  const replaced = world.client.send(
    new PutObjectCommand({ Bucket, Key, Body: "1", IfMatch: '"0"' }),
  );

  await expect(replaced).rejects.toEqual(status(404));
});

test("copies an object without its redirect location", async () => {
  await using world = await start();
  await world.client.send(
    new PutObjectCommand({
      Bucket,
      Key: "from",
      Body: "x",
      ContentType: "text/css",
      WebsiteRedirectLocation: "/to",
    }),
  );

  await world.client.send(new CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/from` }));

  const found = await world.client.send(new HeadObjectCommand({ Bucket, Key }));
  expect(found).toMatchObject({ ContentType: "text/css", ContentLength: 1 });
  expect(found.WebsiteRedirectLocation).toBeUndefined();
});

test("lists pages of keys in order, names with spaces and umlauts included", async () => {
  await using world = await start();
  for (const name of ["p/b", "p/ü +&", "p/a", "q"]) {
    await world.client.send(new PutObjectCommand({ Bucket, Key: name, Body: "x" }));
  }

  const list = (ContinuationToken?: string) =>
    world.client.send(
      new ListObjectsV2Command({
        Bucket,
        Prefix: "p/",
        MaxKeys: 2,
        EncodingType: "url",
        ContinuationToken,
      }),
    );
  const first = await list();
  const second = await list(decodeURIComponent(first.NextContinuationToken ?? ""));

  const keys = [...(first.Contents ?? []), ...(second.Contents ?? [])].map((item) =>
    decodeURIComponent(item.Key ?? ""),
  );
  expect(keys).toEqual(["p/a", "p/b", "p/ü +&"]);
  expect([first.IsTruncated, second.IsTruncated]).toEqual([true, false]);
});

test("refuses a wrong secret", async () => {
  await using world = await start();
  using other = client(world.server, "another-secret-key");

  await expect(other.sdk.send(new ListObjectsV2Command({ Bucket }))).rejects.toThrow(
    "SignatureDoesNotMatch",
  );
});

test("refuses a wrong checksum, unless it knows none", async () => {
  const wrong = { Bucket, Key, Body: "x", ChecksumSHA256: Buffer.alloc(32).toString("base64") };
  await using strict = await start();
  await using lax = await start({ noChecksums: true });

  await expect(strict.client.send(new PutObjectCommand(wrong))).rejects.toThrow("BadDigest");
  await lax.client.send(new PutObjectCommand(wrong));
});

test("refuses a clock that is 20 minutes off", async () => {
  await using world = await start({ clockSkewMs: 20 * 60_000 });

  await expect(world.client.send(new ListObjectsV2Command({ Bucket }))).rejects.toThrow(
    "RequestTimeTooSkewed",
  );
});

test("ignores conditions where told to", async () => {
  await using world = await start({ ignoresConditions: true });
  const create = () =>
    world.client.send(new PutObjectCommand({ Bucket, Key, Body: "1", IfNoneMatch: "*" }));
  await create();

  await expect(create()).resolves.toMatchObject({ ETag: expect.any(String) });
});

test("knows only unquoted ETags where told to", async () => {
  await using world = await start({ unquotedIfMatch: true });
  const { ETag = "" } = await world.client.send(new PutObjectCommand({ Bucket, Key, Body: "1" }));
  const replace = (IfMatch: string) =>
    world.client.send(new PutObjectCommand({ Bucket, Key, Body: "2", IfMatch }));

  await expect(replace(ETag)).rejects.toEqual(status(412));
  await replace(ETag.replaceAll('"', ""));
});

test("refuses a request in a storm, and writes nothing", async () => {
  await using world = await start({}, () => "slow-down");

  await expect(world.client.send(new PutObjectCommand({ Bucket, Key, Body: "1" }))).rejects.toEqual(
    status(503),
  );
  expect(world.server.buckets.get(Bucket)?.size).toBe(0);
});

test("writes what was sent, although the reply is lost", async () => {
  await using world = await start({}, () => "lost-reply");

  await expect(
    world.client.send(new PutObjectCommand({ Bucket, Key, Body: "1" })),
  ).rejects.toMatchObject({ code: "ECONNRESET" });
  expect(world.server.buckets.get(Bucket)?.has(Key)).toBe(true);
  expect(world.server.requests).toEqual([{ method: "PUT", bucket: Bucket, key: Key }]);
});

async function start(quirks: S3Quirks = {}, fault?: SandboxS3Options["fault"]) {
  const server = await startSandboxS3({ buckets: [Bucket], quirks, ...(fault && { fault }) });
  const { sdk } = client(server);
  return {
    server,
    client: sdk,
    async [Symbol.asyncDispose]() {
      sdk.destroy();
      await server[Symbol.asyncDispose]();
    },
  };
}

function client(
  { endpoint, region, credentials }: SandboxS3,
  secretAccessKey = credentials.secretAccessKey,
) {
  const sdk = new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    maxAttempts: 1,
    requestChecksumCalculation: "WHEN_REQUIRED",
    credentials: { ...credentials, secretAccessKey },
  });
  return { sdk, [Symbol.dispose]: () => sdk.destroy() };
}
