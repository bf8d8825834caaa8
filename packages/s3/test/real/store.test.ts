import { env } from "node:process";
import { secret } from "@lockstep/plugin";
import { describeStoreContract } from "@lockstep/testkit";
import { afterAll, beforeAll, describe } from "vitest";
import { s3Store } from "../../src/index.ts";
import { type Gateway, openGateway } from "./gateway.ts";

describe("on a Ceph RADOS gateway", () => {
  let gateway: Gateway;
  let bucket = "";
  let count = 0;
  beforeAll(async () => {
    gateway = await openGateway();
    bucket = await gateway.bucket();
  });
  afterAll(async () => gateway[Symbol.asyncDispose]());

  describeStoreContract("s3Store", async () => {
    count += 1;
    const { endpoint, region, credentials } = gateway;
    env["LOCKSTEP_TEST_S3_SECRET"] = credentials.secretAccessKey;
    const { accessKeyId } = credentials;
    const open = () =>
      s3Store({
        bucket,
        prefix: `run-${count}/`,
        endpoint,
        region,
        credentials: { accessKeyId, secretAccessKey: secret("LOCKSTEP_TEST_S3_SECRET") },
      });
    const opened = [open(), open()] as const;
    return {
      store: opened[0],
      again: async () => opened[1],
      async dispose() {
        for (const one of opened) await one[Symbol.asyncDispose]();
      },
    };
  });
});
