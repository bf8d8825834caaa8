import { once } from "node:events";
import { mkdtemp, readFile, readlink, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type S3Bucket,
  type SandboxS3,
  type SandboxSsh,
  startSandboxS3,
  startSandboxSsh,
} from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeProject, type Project } from "./real/images-rig.ts";

const FAILED = 31;

let folder = "";
let host: SandboxSsh;
let bucket: SandboxS3;
let visitors: AsyncDisposable & { readonly url: string };
let project: Project;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lockstep-site-"));
  host = await startSandboxSsh({ folder: join(folder, "host") });
  bucket = await startSandboxS3({ buckets: ["shop"] });
  visitors = await openSite(objects());
  const env = { S3_SECRET_KEY: bucket.credentials.secretAccessKey };
  project = await makeProject(join(folder, "project"), ["ssh", "s3"], env);
  await project.configure(config());
});
afterAll(async () => {
  await visitors[Symbol.asyncDispose]();
  await bucket[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

function config(): string {
  return `import { defineConfig, localStore, secret } from "lockstep";
import { s3 } from "@lockstep/s3";
import { ssh } from "@lockstep/ssh";
const until = { successes: 1, intervalMs: 10, deadlineMs: 500 };
export default defineConfig({ project: "shop", environments: { production: {
  store: localStore({ ephemeral: true }),
  targets: {
    api: ssh({
      hosts: [{ address: "${host.address}", port: ${host.port}, user: "${host.user}", hostKey: "${host.hostKey}" }],
      identity: "${host.identity}", path: "${join(host.folder, "shop")}", source: "build",
      checks: [{ command: ["test", "!", "-e", "broken"], until }],
    }),
    site: s3({
      bucket: "shop", endpoint: "${bucket.endpoint}", region: "${bucket.region}",
      credentials: { accessKeyId: "${bucket.credentials.accessKeyId}", secretAccessKey: secret("S3_SECRET_KEY") },
      source: "build", check: { url: "${visitors.url}", until },
    }),
  },
} } });
`;
}

const objects = (): S3Bucket => bucket.buckets.get("shop") ?? new Map();

/** Releases a version; more files than the page decide whose check fails. */
async function deploy(version: string, more: Readonly<Record<string, string>>): Promise<number> {
  await project.build({ "index.html": `<p>${version}`, ...more });
  const { exit, said } = await project.deploy();
  if (exit !== 0 && exit !== FAILED) throw new Error(said);
  return exit;
}

/** What the host and the bucket serve. */
async function served(): Promise<readonly string[]> {
  const link = await readlink(join(host.folder, "shop/current"));
  return [
    await readFile(join(host.folder, "shop", link, "index.html"), "utf8"),
    Buffer.from(objects().get("index.html")?.body ?? "").toString(),
  ];
}

describe("a host and a site in one run", () => {
  it("go live together, and a check of either that fails puts both back", async () => {
    const first = await deploy("one", {});
    const one = await served();
    const ofHost = await deploy("two", { broken: "" });
    const afterHost = await served();
    const ofSite = await deploy("three", { "bad.html": "answered with 500" });
    const afterSite = await served();
    const last = await deploy("four", {});

    expect([first, ofHost, ofSite, last]).toEqual([0, FAILED, FAILED, 0]);
    expect(one).toEqual(["<p>one", "<p>one"]);
    expect(afterHost).toEqual(one);
    expect(afterSite).toEqual(one);
    expect(objects().get("bad.html")).toBeUndefined();
    expect(await served()).toEqual(["<p>four", "<p>four"]);
  }, 60_000);
});

/** What stands before the bucket: while it holds a bad page, it answers nothing well. */
async function openSite(held: S3Bucket): Promise<typeof visitors> {
  const front = createServer(({ url = "/" }, response) => {
    const found = held.get(url.endsWith("/") ? `${url.slice(1)}index.html` : url.slice(1));
    if (found === undefined || held.has("bad.html")) response.writeHead(found ? 500 : 404).end();
    else response.writeHead(200, found.headers).end(found.body);
  });
  front.listen(0, "127.0.0.1");
  await once(front, "listening");
  return {
    url: `http://127.0.0.1:${(front.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      front.closeAllConnections();
      front.close();
      await once(front, "close");
    },
  };
}
