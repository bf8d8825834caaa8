import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type SandboxS3, startFaultProxy, startSandboxS3 } from "@lockstep/testkit";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { S3Options } from "../src/index.ts";
import { type Asked, type Front, s3Error, startFront, type Trick } from "./front.ts";
import { Rig } from "./rig.ts";
import { filesOf, Folder } from "./world.ts";

/** A site behind a front. */
interface Shop extends AsyncDisposable {
  readonly rig: Rig;
  readonly front: Front;
  readonly server: SandboxS3;
}

async function open(options: Partial<S3Options> = {}): Promise<Shop> {
  const server = await startSandboxS3({ buckets: ["shop"] });
  const front = await startFront(server);
  const folder = await Folder.open();
  const rig = await Rig.join({ server: front, folder, owned: [front, server, folder] }, options);
  return { rig, front, server, [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose]() };
}

function textIn({ server }: Shop, key: string): string | undefined {
  const found = server.buckets.get("shop")?.get(key);
  return found === undefined ? undefined : Buffer.from(found.body).toString();
}

/** Plays a trick on the first requests. */
function first(count: number, trick: Trick): Front["trick"] {
  let left = count;
  return () => {
    left -= 1;
    return left >= 0 ? trick : undefined;
  };
}

describe("a server that keeps a request waiting", () => {
  it("in the middle of an answer loses the connection, and the request is sent again", async () => {
    await using shop = await open({ limits: { backoffMs: 5, timeoutMs: 200 } });
    await shop.rig.deploy(filesOf("one"));
    shop.front.trick = first(2, "stall");

    await shop.rig.deploy(filesOf("two"));

    expect(textIn(shop, "index.html")).toBe(filesOf("two")["index.html"]);
  });

  it.each<[string, Trick]>([
    ["with an answer that comes a byte at a time", "drip"],
    ["for ever", "hang"],
    ["by asking it to slow down", { status: 503, body: s3Error("SlowDown") }],
  ])("%s is given up when the time for all tries is over", async (_how, trick) => {
    await using shop = await open({
      limits: { backoffMs: 5, tries: 100, timeoutMs: 5_000, deadlineMs: 400 },
    });
    shop.front.trick = () => trick;
    const from = performance.now();

    await expect(shop.rig.live()).rejects.toMatchObject({
      code: "S3_UNREACHABLE",
      message: expect.stringContaining("none within 0.4 s"),
    });

    expect(performance.now() - from).toBeLessThan(4_000);
  });

  it("because the network swallows all is given up, and asked again when it is back", async () => {
    await using server = await startSandboxS3({ buckets: ["shop"] });
    const { hostname: host, port } = new URL(server.endpoint);
    await using proxy = await startFaultProxy({ host, port: Number(port) });
    await using folder = await Folder.open();
    const far = { ...server, endpoint: `http://${proxy.host}:${proxy.port}` };
    const limits = { backoffMs: 5, timeoutMs: 5_000, deadlineMs: 500 };
    await using rig = await Rig.join({ server: far, folder }, { limits });
    await rig.deploy(filesOf("one"));
    await rig.live(); // the first look after a write may be answered by that write
    proxy.freeze();

    await expect(rig.live()).rejects.toMatchObject({ code: "S3_UNREACHABLE" });

    proxy.thaw();
    expect(typeof (await rig.live()).ref).toBe("string");
  });

  it("is not waited for by somebody who gave up", async () => {
    await using shop = await open();
    shop.front.trick = () => "hang";
    const over = new AbortController();
    setTimeout(() => over.abort(new Error("somebody gave up")), 50);

    const asked = shop.rig.connection.bucket.get("a", { signal: over.signal });

    await expect(asked).rejects.toThrow("somebody gave up");
  });
});

describe("credentials that end in the middle", () => {
  afterEach(() => vi.unstubAllEnvs());

  it("are fetched anew, once for all, and nothing is lost", async () => {
    await using desk = await startDesk();
    await using shop = await open({ credentials: "chain", limits: { backoffMs: 5 } });
    await shop.rig.folder.build(pages(100));
    const plan = await shop.rig.plan();
    await shop.rig.fence();
    let sent = 0;
    shop.front.trick = (asked) => {
      sent += isBlob(asked) ? 1 : 0;
      const isOld = asked.headers["x-amz-security-token"] === "token-1";
      return sent > 50 && isOld ? EXPIRED : undefined;
    };

    await shop.rig.apply(plan, "stage");
    await shop.rig.apply(plan, "activate");

    expect(textIn(shop, "p99.html")).toBe("<p>99");
    expect(desk.visits).toBeLessThanOrEqual(3);
  });

  it("and are not renewed stop the run before a visitor sees anything of it", async () => {
    await using desk = await startDesk();
    await using shop = await open({ credentials: "chain", limits: { backoffMs: 5 } });
    await shop.rig.deploy(pages(10));
    await shop.rig.folder.build(pages(20));
    const plan = await shop.rig.plan();
    desk.isClosed = true;
    shop.front.trick = (asked) => (isBlob(asked) ? EXPIRED : undefined);

    await expect(shop.rig.apply(plan, "stage")).rejects.toMatchObject({ code: "S3_CREDENTIALS" });

    expect(textIn(shop, "p15.html")).toBeUndefined();
    expect(textIn(shop, ".lockstep/current.json")).not.toContain(`"moving"`);
  });

  it("within a minute are refused in the plan, where nobody renews them", async () => {
    await using desk = await startDesk();
    desk.lifetimeMs = 30_000;
    await using shop = await open({ credentials: "chain" });
    await shop.rig.folder.build(pages(1));

    await expect(shop.rig.plan()).rejects.toMatchObject({
      code: "S3_CREDENTIALS",
      message: expect.stringMatching(/end in \d+ s/),
    });
    expect(shop.server.requests.filter(({ method }) => method !== "GET")).toEqual([]);
  });
});

describe("a bucket that is elsewhere", () => {
  const moved = (status: number, code: string): Trick => ({
    status,
    body: s3Error(code),
    headers: { "x-amz-bucket-region": "us-east-1" },
  });

  it.each([
    ["301 PermanentRedirect", moved(301, "PermanentRedirect")],
    ["400 AuthorizationHeaderMalformed", moved(400, "AuthorizationHeaderMalformed")],
  ])("is found by what the server says of it: %s", async (_name, trick) => {
    await using shop = await open({ region: "eu-west-9", limits: { backoffMs: 5 } });
    shop.front.trick = ({ headers }) =>
      headers.authorization?.includes("/eu-west-9/") === true ? trick : undefined;

    await shop.rig.deploy(filesOf("one"));

    expect(textIn(shop, "index.html")).toBe(filesOf("one")["index.html"]);
    const lost = shop.front.asked.filter(
      ({ headers }) => headers.authorization?.includes("/eu-west-9/") === true,
    );
    expect(lost.length).toBeLessThanOrEqual(4);
  });

  it("or nowhere is said with its name", async () => {
    await using shop = await open({ bucket: "other-shop" });

    await expect(shop.rig.live()).rejects.toMatchObject({
      code: "S3_BUCKET_MISSING",
      message: "There is no bucket other-shop.",
    });
  });

  it("and forbids looks is named with the request that it refused", async () => {
    await using shop = await open();
    await shop.rig.deploy(filesOf("one"));
    await shop.rig.folder.build(filesOf("two"));
    const plan = await shop.rig.plan();
    await shop.rig.apply(plan, "stage");
    shop.front.trick = ({ method }) =>
      method === "HEAD" ? { status: 403, body: s3Error("AccessDenied") } : undefined;

    await expect(shop.rig.apply(plan, "activate")).rejects.toMatchObject({
      code: "S3_DENIED",
      message: expect.stringContaining("HEAD s3://shop/"),
    });
    expect(textIn(shop, "index.html")).toBe(filesOf("one")["index.html"]);
  });
});

const EXPIRED: Trick = { status: 400, body: s3Error("ExpiredToken") };

const isBlob = ({ method, url }: Asked): boolean => method === "PUT" && url.includes("/blobs/");

function pages(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`p${n}.html`, `<p>${n}`]));
}

/** Gives out credentials as containers of Amazon's get them: another token with each visit. */
interface Desk extends AsyncDisposable {
  readonly visits: number;
  isClosed: boolean;
  lifetimeMs: number;
}

async function startDesk(): Promise<Desk> {
  let visits = 0;
  const server = createServer((_message, response) => {
    visits += 1;
    if (desk.isClosed) response.statusCode = 403;
    const Expiration = new Date(Date.now() + desk.lifetimeMs).toISOString();
    const account = { AccessKeyId: "SANDBOXKEY", SecretAccessKey: "sandbox-secret-key" };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ ...account, Token: `token-${visits}`, Expiration }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  for (const name of ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"]) {
    vi.stubEnv(name, undefined);
  }
  vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
  vi.stubEnv("AWS_CONFIG_FILE", "/dev/null");
  vi.stubEnv("AWS_CONTAINER_CREDENTIALS_FULL_URI", `http://127.0.0.1:${port}/`);
  const desk: Desk = {
    isClosed: false,
    lifetimeMs: 3_600_000,
    get visits() {
      return visits;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return desk;
}
