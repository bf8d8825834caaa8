import { inspect } from "node:util";
import { type SandboxS3, startSandboxS3 } from "@lockstep/testkit";
import { describe, expect, it } from "vitest";
import type { S3Store } from "../../src/index.ts";
import { type Asked, type Front, s3Error, startFront, type Trick } from "../front.ts";
import { storeOf } from "./open-store.ts";

interface World extends AsyncDisposable {
  readonly server: SandboxS3;
  readonly front: Front;
  readonly store: S3Store;
}

/** A store behind a front; it has been tried out. */
async function open(): Promise<World> {
  const server = await startSandboxS3({ buckets: ["state"] });
  const front = await startFront(server);
  const { endpoint, region, credentials } = front;
  const store = storeOf({ endpoint, region, credentials, bucket: "state", prefix: "run/" });
  await store.create("first", Buffer.from("first"));
  return {
    server,
    front,
    store,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await front[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

const isOnKey = ({ method, url }: Asked): boolean => method === "PUT" && url.includes("/key");

/** Plays a trick on the first write of the key. */
function once(trick: Trick): Front["trick"] {
  let isLeft = true;
  return (asked) => {
    if (!isLeft || !isOnKey(asked)) return undefined;
    isLeft = false;
    return trick;
  };
}

const textOf = async (store: S3Store): Promise<string | undefined> => {
  const found = await store.get("key");
  return found === undefined ? undefined : Buffer.from(found.body).toString();
};

const PASSING: readonly (readonly [string, Trick])[] = [
  ["503 SlowDown", { status: 503, body: s3Error("SlowDown") }],
  ["500 InternalError", { status: 500, body: s3Error("InternalError") }],
  ["409 ConditionalRequestConflict", { status: 409, body: s3Error("ConditionalRequestConflict") }],
  ["a page of a proxy", { status: 502, body: "<html>Bad Gateway" }],
  ["a connection that ends halfway", "reset"],
  ["an answer that is lost", "lose"],
  ["a byte that is flipped", "flip"],
];

describe("a store that meets trouble that passes", () => {
  it.each(PASSING)("creates, replaces and removes exactly once: %s", async (_what, trick) => {
    await using world = await open();
    const { store, front } = world;

    front.trick = once(trick);
    const made = await store.create("key", Buffer.from("one"));
    const created = await textOf(store);
    front.trick = once(trick);
    const tag = made === "exists" ? "" : made.tag;
    const next = await store.replace("key", Buffer.from("two"), tag);
    const replaced = await textOf(store);
    front.trick = once(trick);
    const removed = await store.remove("key", next === "moved" ? "" : next.tag);

    expect([created, replaced, removed]).toEqual(["one", "two", "removed"]);
    expect(await textOf(store)).toBeUndefined();
    expect(await store.create("key", Buffer.from("three"))).not.toBe("exists");
  });

  it("believes the one who was quicker while it waited", async () => {
    await using world = await open();
    const { store, front, server } = world;
    await using other = storeOf({ ...hereOf(server), bucket: "state", prefix: "run/" });
    const made = await store.create("key", Buffer.from("one"));
    const tag = made === "exists" ? "" : made.tag;
    let won: unknown;
    let isLeft = true;
    front.trick = (asked) => {
      if (!isLeft || !isOnKey(asked)) return undefined;
      isLeft = false;
      won = other.replace("key", Buffer.from("theirs"), tag);
      return { status: 503, body: s3Error("SlowDown") };
    };

    const next = await store.replace("key", Buffer.from("ours"), tag);
    const taken = await won;

    expect(taken === "moved").not.toBe(next === "moved");
    expect(await textOf(store)).toBe(next === "moved" ? "theirs" : "ours");
  });
});

const STAYING: readonly (readonly [string, Trick, string])[] = [
  ["an expired token", { status: 400, body: s3Error("ExpiredToken") }, "S3_CREDENTIALS"],
  ["a right that is missing", { status: 403, body: s3Error("AccessDenied") }, "S3_DENIED"],
  ["a bucket that is gone", { status: 404, body: s3Error("NoSuchBucket") }, "S3_BUCKET_MISSING"],
];

describe("a store that meets trouble that stays", () => {
  it.each(STAYING)("fails by name, and goes on later: %s", async (_what, trick, code) => {
    await using world = await open();
    const { store, front } = world;
    front.trick = () => trick;

    await expect(store.get("key")).rejects.toMatchObject({ code });
    await expect(store.create("key", Buffer.from("one"))).rejects.toMatchObject({ code });
    front.trick = () => undefined;

    expect(await store.create("key", Buffer.from("one"))).not.toBe("exists");
  });
});

describe("what a store says of a failure", () => {
  const SECRET = "sandbox-secret-key";

  it.each([
    ["as it is", SECRET],
    ["in a query", encodeURIComponent(SECRET)],
    ["in base64", Buffer.from(SECRET).toString("base64")],
  ])("holds no secret, even where the server repeats one %s", async (_how, said) => {
    await using world = await open();
    const { store, front, server } = world;
    expect(server.credentials.secretAccessKey).toBe(SECRET);
    front.trick = () => ({ status: 418, body: s3Error(`Odd-${said}`, `You sent ${said}`) });

    const failures = await Promise.all(
      [store.get("key"), store.create("key", Buffer.from("one")), store.remove("key", `"a"`)].map(
        async (asked) => asked.then(() => undefined).catch((error: unknown) => error),
      ),
    );

    for (const failure of failures) {
      expect(failure).toMatchObject({ message: expect.stringContaining("[secret]") });
      expect(inspect(failure, { depth: 9, showHidden: true })).not.toContain(said);
    }
  });
});

function hereOf({
  endpoint,
  region,
  credentials,
}: SandboxS3): Pick<SandboxS3, "endpoint" | "region" | "credentials"> {
  return { endpoint, region, credentials };
}
