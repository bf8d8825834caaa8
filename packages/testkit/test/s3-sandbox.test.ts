import { ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { expect, test } from "vitest";
import {
  type S3Quirks,
  type SandboxS3,
  type SandboxS3Options,
  startSandboxS3,
} from "../src/index.ts";
import { type S3Manners, describeS3Server } from "./s3-server.ts";

const Bucket = "site";
const Key = "docs/a b+ü.html";
const status = (code: number) =>
  expect.objectContaining({ $metadata: expect.objectContaining({ httpStatusCode: code }) });

const GOOD: S3Manners = {
  namesEtag: (etag) => etag,
  obeysElsewhere: true,
  copiesRedirects: false,
  missing: 404,
};

describeS3Server("the sandbox", {
  manners: GOOD,
  open: (bucket) => startSandboxS3({ buckets: [bucket] }),
});

describeS3Server("the sandbox as a gateway", {
  manners: {
    namesEtag: (etag) => etag.replaceAll('"', ""),
    obeysElsewhere: false,
    copiesRedirects: true,
    missing: 412,
  },
  open: (bucket) =>
    startSandboxS3({
      buckets: [bucket],
      quirks: {
        unquotedIfMatch: true,
        conditionsOnlyOnPut: true,
        missingIsRefused: true,
        copiesRedirects: true,
        noChecksums: true,
      },
    }),
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
