import { env } from "node:process";
import { secret } from "@lockstep/plugin";
import {
  describeStoreContract,
  type S3Quirks,
  type SandboxS3,
  startSandboxS3,
} from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { s3Store, type S3StoreOptions } from "../../src/index.ts";

const QUIRKS: readonly (readonly [string, S3Quirks])[] = [
  ["a server that does everything", {}],
  ["a server that knows ETags without quotes", { unquotedIfMatch: true }],
];

let count = 0;

function optionsFor(server: SandboxS3): S3StoreOptions {
  env["LOCKSTEP_TEST_S3_SECRET"] = server.credentials.secretAccessKey;
  return {
    bucket: "state",
    prefix: `run-${count}/`,
    endpoint: server.endpoint,
    region: server.region,
    credentials: {
      accessKeyId: server.credentials.accessKeyId,
      secretAccessKey: secret("LOCKSTEP_TEST_S3_SECRET"),
    },
  };
}

describe.each(QUIRKS)("on %s", (_name, quirks) => {
  let server: SandboxS3;
  beforeAll(async () => {
    server = await startSandboxS3({ buckets: ["state"], quirks });
  });
  afterAll(async () => server[Symbol.asyncDispose]());

  describeStoreContract("s3Store", async () => {
    count += 1;
    const options = optionsFor(server);
    const opened = [s3Store(options)];
    return {
      store: opened[0] ?? s3Store(options),
      again: async () => {
        const other = s3Store(options);
        opened.push(other);
        return other;
      },
      async dispose() {
        for (const one of opened) await one[Symbol.asyncDispose]();
      },
    };
  });

  it("stores what can be read as it is, with a random line below", async () => {
    count += 1;
    await using store = s3Store(optionsFor(server));

    await store.create("key", Buffer.from('{"a":1}'));

    const body = server.buckets.get("state")?.get(`run-${count}/key`)?.body ?? new Uint8Array();
    expect(Buffer.from(body).toString()).toMatch(/^\{"a":1\}\n[0-9a-f]{32}$/);
  });

  it("refuses what it did not write", async () => {
    count += 1;
    await using store = s3Store(optionsFor(server));
    server.buckets.get("state")?.set(`run-${count}/key`, {
      body: Buffer.from("by hand"),
      etag: '"x"',
      headers: {},
      modifiedMs: 0,
    });

    await expect(store.get("key")).rejects.toMatchObject({ code: "S3_STORE_VALUE" });
  });
});

describe("a write whose answer is lost", () => {
  it.each(["create", "replace"] as const)("is recognised as its own: %s", async (what) => {
    let left = 0;
    await using server = await startSandboxS3({
      buckets: ["state"],
      fault: ({ method }) => (method === "PUT" && (left -= 1) === 0 ? "lost-reply" : undefined),
    });
    count += 1;
    await using store = s3Store(optionsFor(server));
    const first = await store.create("key", Buffer.from("one"));
    if (first === "exists") throw new Error("it exists");
    left = 1;

    const made =
      what === "create"
        ? await store.create("other", Buffer.from("two"))
        : await store.replace("key", Buffer.from("two"), first.tag);

    const found = await store.get(what === "create" ? "other" : "key");
    expect(made).toEqual({ tag: found?.tag });
    expect(Buffer.from(found?.body ?? []).toString()).toBe("two");
  });
});

describe("a server that ignores conditions", () => {
  it("is refused before anything is written, and told by name", async () => {
    await using server = await startSandboxS3({
      buckets: ["state"],
      quirks: { ignoresConditions: true },
    });
    await using store = s3Store(optionsFor(server));

    await expect(store.create("key", Buffer.from("one"))).rejects.toMatchObject({
      code: "S3_STORE_CONDITIONS",
      message: expect.stringContaining("If-None-Match is ignored, If-Match is ignored"),
    });
    expect(server.buckets.get("state")?.size).toBe(0);
  });

  it("can be read, so that what was kept there before is not lost", async () => {
    await using server = await startSandboxS3({
      buckets: ["state"],
      quirks: { ignoresConditions: true },
    });
    await using store = s3Store(optionsFor(server));

    expect(await store.get("key")).toBeUndefined();
  });
});

describe("wrong options", () => {
  it("are told at once, with their paths", () => {
    expect(() => s3Store({ bucket: "Not A Bucket", prefix: "../", ttlMs: 1 })).toThrow(
      /bucket.*prefix.*ttlMs/,
    );
  });
});
