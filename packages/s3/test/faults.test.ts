import { performance } from "node:perf_hooks";
import { type SandboxS3, startSandboxS3 } from "@lockstep/testkit";
import { describe, expect, it } from "vitest";
import type { S3Options } from "../src/index.ts";
import { type Asked, type Front, s3Error, startFront, type Trick } from "./front.ts";
import { firstOf, isBlob, passing } from "./passing.ts";
import { Rig } from "./rig.ts";
import { filesOf, Folder, scriptOf } from "./world.ts";

const QUICK = { backoffMs: 5, timeoutMs: 5_000 };

/** A site behind a front. */
interface Shop extends AsyncDisposable {
  readonly rig: Rig;
  readonly front: Front;
  readonly server: SandboxS3;
}

async function open(options: Partial<S3Options> = {}, quirks = {}): Promise<Shop> {
  const server = await startSandboxS3({ buckets: ["shop"], quirks });
  const front = await startFront(server);
  const folder = await Folder.open();
  const rig = await Rig.join(
    { server: front, folder, owned: [front, server, folder] },
    { limits: QUICK, ...options },
  );
  return { rig, front, server, [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose]() };
}

function textIn({ server }: Shop, key: string): string | undefined {
  const found = server.buckets.get("shop")?.get(key);
  return found === undefined ? undefined : Buffer.from(found.body).toString();
}

const isPut = ({ method }: Asked): boolean => method === "PUT";
const isList = ({ url }: Asked): boolean => url.includes("list-type=2");

describe("trouble that passes", () => {
  it.each([1, 0.5])(
    "of 503 for three seconds, for a share of %s, loses no file and sends few twice",
    { timeout: 60_000 },
    async (share) => {
      await using shop = await open({ limits: { inFlight: 64 } });
      const count = 1_000;
      const many = Object.fromEntries(
        Array.from({ length: count }, (_, n) => [`p${n}.html`, `<p>page ${n}`]),
      );
      await shop.rig.folder.build(many);
      const plan = await shop.rig.plan();
      await shop.rig.fence();
      const end = performance.now() + 3_000;
      const slow = { status: 503, body: s3Error("SlowDown") };
      shop.front.trick = () =>
        performance.now() < end && Math.random() < share ? slow : undefined;
      const from = shop.front.asked.length;

      await shop.rig.apply(plan, "stage");
      const sent = shop.front.asked.length - from;
      await shop.rig.apply(plan, "activate");

      for (let n = 0; n < count; n += 1) expect(textIn(shop, `p${n}.html`)).toBe(`<p>page ${n}`);
      expect(sent / count).toBeLessThan(1.2);
    },
  );

  it.each(passing)("such as %s changes nothing in the end", async (_name, isMeant, trick) => {
    await using shop = await open();
    await shop.rig.deploy(filesOf("one"));
    shop.front.trick = firstOf(isMeant, trick, 2);

    await shop.rig.deploy(filesOf("two"));

    const files = filesOf("two");
    for (const [key, text] of Object.entries(files)) expect(textIn(shop, key)).toBe(text);
    expect(textIn(shop, "old.html")).toBeUndefined();
    expect((await shop.rig.live()).kept).toHaveLength(1);
  });

  it("such as a server that takes a request and never answers does not hang", async () => {
    await using shop = await open({ limits: { backoffMs: 5, timeoutMs: 300 } });
    await shop.rig.folder.build(filesOf("one"));
    const plan = await shop.rig.plan();
    shop.front.trick = firstOf(isPut, "hang", 3);

    await shop.rig.apply(plan, "stage");

    expect(textIn(shop, scriptOf(`console.log("one")`))).toBe(`console.log("one")`);
  });

  it("such as a server that is busy first and then of another time is waited for", async () => {
    const skewMs = 20 * 60_000;
    await using shop = await open({}, { clockSkewMs: skewMs });
    shop.front.answerHeaders["date"] = new Date(Date.now() + skewMs).toUTCString();
    const slow = { status: 503, body: s3Error("SlowDown") };
    shop.front.trick = firstOf(() => true, slow, 2);

    await shop.rig.deploy(filesOf("one"));

    expect(textIn(shop, "index.html")).toContain("Welcome one");
  });

  it("such as a clock that is 20 minutes off is corrected by the server's answer", async () => {
    const skewMs = 20 * 60_000;
    await using shop = await open({}, { clockSkewMs: skewMs });
    shop.front.answerHeaders["date"] = new Date(Date.now() + skewMs).toUTCString();

    await shop.rig.deploy(filesOf("one"));

    expect(textIn(shop, "index.html")).toContain("Welcome one");
  });
});

describe("trouble that stays", () => {
  it.each<[string, Trick, string]>([
    ["an expired token", { status: 400, body: s3Error("ExpiredToken") }, "S3_CREDENTIALS"],
    [
      "a key that is not known",
      { status: 403, body: s3Error("InvalidAccessKeyId") },
      "S3_CREDENTIALS",
    ],
    ["a right that is missing", { status: 403, body: s3Error("AccessDenied") }, "S3_DENIED"],
    ["a server that is always busy", { status: 503, body: s3Error("SlowDown") }, "S3_BUSY"],
    [
      "a server that always fails",
      { status: 500, body: s3Error("InternalError") },
      "S3_UNREACHABLE",
    ],
    ["an answer nobody asked for", { status: 418, body: s3Error("Teapot") }, "S3_ANSWER"],
    [
      "a clock that cannot be corrected",
      { status: 403, body: s3Error("RequestTimeTooSkewed") },
      "S3_CLOCK",
    ],
  ])(
    "such as %s ends the upload with a code of its own, and visitors see nothing of it",
    async (_name, trick, code) => {
      await using shop = await open({ limits: { ...QUICK, tries: 3 } });
      await shop.rig.deploy(filesOf("one"));
      await shop.rig.folder.build(filesOf("two"));
      const plan = await shop.rig.plan();
      shop.front.trick = (asked) => (isBlob(asked) ? trick : undefined);

      await expect(shop.rig.apply(plan, "stage")).rejects.toMatchObject({ code });

      expect(textIn(shop, "index.html")).toBe(filesOf("one")["index.html"]);
      shop.front.trick = () => undefined;
      await shop.rig.deploy();
      expect(textIn(shop, "index.html")).toBe(filesOf("two")["index.html"]);
    },
  );

  it("in the middle of the copies is put back to the last byte", async () => {
    await using shop = await open({ limits: { ...QUICK, tries: 2, inFlight: 1 } });
    await shop.rig.deploy(filesOf("one"));
    await shop.rig.folder.build(filesOf("two"));
    const plan = await shop.rig.plan();
    await shop.rig.apply(plan, "stage");
    const step = plan.steps.find(({ phase }) => phase === "activate");
    const handler = shop.rig.target.steps.find(({ kind }) => kind === step?.kind);
    if (step === undefined || handler === undefined) throw new Error("nothing to activate");
    const before = await handler.inspect(step.input, shop.rig.context());
    let copies = 0;
    shop.front.trick = (asked) => {
      if (asked.isCopy) copies += 1;
      return asked.isCopy && copies > 2
        ? { status: 403, body: s3Error("ExpiredToken") }
        : undefined;
    };
    const applied = handler.apply(step.input, before, shop.rig.context());
    await expect(applied).rejects.toMatchObject({ code: "S3_CREDENTIALS" });
    expect((await shop.rig.live()).ref).toMatchObject({ from: expect.any(String) });
    shop.front.trick = () => undefined;

    expect(await shop.rig.revert([{ step, before }])).toEqual(["restored"]);

    for (const [key, text] of Object.entries(filesOf("one"))) expect(textIn(shop, key)).toBe(text);
    expect(textIn(shop, "new.html")).toBeUndefined();
  });

  it("says what is wrong when nobody listens", async () => {
    await using shop = await open({ limits: { ...QUICK, tries: 2 } });
    await shop.front.close();

    await expect(shop.rig.live()).rejects.toMatchObject({
      code: "S3_UNREACHABLE",
      message: expect.stringContaining("ECONNREFUSED"),
    });
  });

  it("is told without control characters and without secrets", async () => {
    await using shop = await open();
    const text = "\u001b[2J\u202e&#10;token";
    shop.front.trick = () => ({ status: 400, body: s3Error("Odd", text) });

    const failure: unknown = await shop.rig.live().catch((error: unknown) => error);

    expect(String(failure)).toMatch(/S3_ANSWER|400 Odd/);
    expect(String(failure)).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(String(failure)).not.toContain(shop.server.credentials.secretAccessKey);
  });
});

describe("a listing", () => {
  const page = (inside: string): Trick => ({
    status: 200,
    body: `<?xml version="1.0"?><ListBucketResult><EncodingType>url</EncodingType>${inside}</ListBucketResult>`,
  });

  it("that gives the same page again and again comes to an end", async () => {
    await using shop = await open();
    await shop.rig.folder.build(filesOf("one"));
    const again = "<IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>";
    shop.front.trick = (asked) => (isList(asked) ? page(again) : undefined);

    await expect(shop.rig.plan()).rejects.toMatchObject({ code: "S3_ANSWER" });
  });

  it("goes on past an empty page", async () => {
    await using shop = await open();
    await shop.rig.folder.build(filesOf("one"));
    shop.server.buckets.get("shop")?.set("index.html", {
      body: Buffer.from("theirs"),
      etag: '"x"',
      headers: {},
      modifiedMs: 0,
    });
    const empty = "<IsTruncated>true</IsTruncated><NextContinuationToken>a</NextContinuationToken>";
    shop.front.trick = firstOf(isList, page(empty));

    await expect(shop.rig.plan()).rejects.toMatchObject({ code: "S3_FOREIGN" });
  });
});
