import { describeTargetContract, type S3Object, startSandboxKeyValues } from "@lockstep/testkit";
import { afterAll, beforeAll, describe } from "vitest";
import { s3 } from "../../src/index.ts";
import { siteAt } from "../cloudfront/routed-world.ts";
import { filesOf, Folder, optionsFor } from "../world.ts";
import { type Gateway, openGateway } from "./gateway.ts";

// the bucket is a real one; the store is the double, because nobody but Amazon has it
describe("behind the router, with a bucket of a Ceph RADOS gateway", () => {
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await openGateway();
  });
  afterAll(async () => gateway[Symbol.asyncDispose]());

  describeTargetContract("s3", async () => {
    const bucket = await gateway.bucket();
    const store = await startSandboxKeyValues(gateway.credentials.accessKeyId);
    const folder = await Folder.open();
    const cloudfront = { keyValueStore: store.arn, endpoint: store.endpoint };
    return {
      target: s3(optionsFor(gateway, bucket, { cloudfront })),
      folder: folder.path,
      secrets: { S3_SECRET: gateway.credentials.secretAccessKey },
      build: (version) => folder.build(filesOf(version)),
      observe: async () => siteAt(store.values, await objectsIn(gateway, bucket)),
      foreignEdit: async () => store.edit("site", '{"version":1,"id":"by hand"}'),
      async dispose() {
        await store[Symbol.asyncDispose]();
        await folder[Symbol.asyncDispose]();
      },
    };
  });
});

/** The bucket as CloudFront fetches from it. */
async function objectsIn(gateway: Gateway, bucket: string): Promise<Map<string, S3Object>> {
  const all = await gateway.read(bucket);
  return new Map(
    [...all].map(([key, { body, headers }]) => [
      key,
      { body: Buffer.from(body), etag: '""', headers, modifiedMs: 0 },
    ]),
  );
}
