import { describeStoreContract } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { probeIn } from "../probe/probe-in.ts";
import { contend } from "../store/contend.ts";
import { type StoreState, storeOf } from "../store/open-store.ts";
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

  function place(): StoreState {
    count += 1;
    const { endpoint, region, credentials } = gateway;
    return { bucket, prefix: `run-${count}/`, endpoint, region, credentials };
  }

  describeStoreContract("s3Store", async () => {
    const state = place();
    const opened = [storeOf(state), storeOf(state)] as const;
    return {
      store: opened[0],
      again: async () => opened[1],
      async dispose() {
        for (const one of opened) await one[Symbol.asyncDispose]();
      },
    };
  });

  it("eight processes on one store create a key once, and lose no update", async () => {
    expect(await contend(place(), 4)).toEqual({ winners: 1, isValueOfWinner: true, count: 32 });
  }, 120_000);

  it("a probe finds out what the server does and ignores", async () => {
    expect(await probeIn(gateway, bucket)).toEqual({
      create: "obeyed",
      replace: "obeyed",
      etags: "unquoted",
      remove: "ignored",
      copy: "ignored",
    });
  });
});
