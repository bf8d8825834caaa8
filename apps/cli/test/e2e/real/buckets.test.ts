import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Radosgw, startRadosgw } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { deployTen } from "../builds.ts";

/** The client of Amazon's that the plugin brings, in the words that are used here. */
interface Sdk {
  readonly S3Client: new (config: object) => { send(command: object): Promise<Answer> };
  readonly CreateBucketCommand: new (input: object) => object;
  readonly GetObjectCommand: new (input: object) => object;
  readonly ListObjectsV2Command: new (input: object) => object;
}

interface Answer {
  readonly Contents?: readonly { readonly Key: string }[];
  readonly Body?: { transformToString(): Promise<string> };
}

const sdk = createRequire(import.meta.resolve("@lockstep/s3"))("@aws-sdk/client-s3") as Sdk;

let folder = "";
let server: Radosgw;
let client: InstanceType<Sdk["S3Client"]>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lockstep-ten-"));
  server = await startRadosgw({ folder });
  const { endpoint, region, credentials } = server;
  client = new sdk.S3Client({ endpoint, region, credentials, forcePathStyle: true });
  for (const Bucket of ["shop", "state"]) {
    await client.send(new sdk.CreateBucketCommand({ Bucket }));
  }
}, 60_000);
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** What the bucket of the shop holds, as somebody else reads it. */
async function texts(): Promise<Record<string, string>> {
  const listed = await client.send(new sdk.ListObjectsV2Command({ Bucket: "shop" }));
  const entries = (listed.Contents ?? []).map(async ({ Key }) => {
    const { Body } = await client.send(new sdk.GetObjectCommand({ Bucket: "shop", Key }));
    return [Key, (await Body?.transformToString()) ?? ""] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

describe("ten deployers of ten builds, on a Ceph RADOS gateway", () => {
  it("make one order: none goes live after a newer one, and the newest is whole", async () => {
    vi.stubEnv("S3_SECRET", server.credentials.secretAccessKey);

    const winner = await deployTen({ server, isDated: true, words: ["--lock-wait", "3m"], texts });

    expect(winner).toBe("build9");
  }, 240_000);
});
