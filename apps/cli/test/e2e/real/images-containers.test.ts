import { copyFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Distribution, startDistribution } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CONTAINER_OPTIONS, type ContainerHost, startContainerHost } from "./images-hosts.ts";
import { digestOf, makeProject, type Project, type Said } from "./images-rig.ts";
import { openSite, type Site } from "./images-site.ts";

const TAGS = ["1.4", "latest"];

let folder: string;
let server: Distribution;
let site: Site;
let project: Project;
const hosts: ContainerHost[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lockstep-fleet-"));
  server = await startDistribution({ folder: join(folder, "registry") });
  for (const name of ["web-1", "web-2"]) {
    hosts.push(await startContainerHost(join(folder, name), server.host));
  }
  await mkdir(join(folder, "site"));
  site = await openSite(join(folder, "site"), "three");
  const env = { S3_SECRET_KEY: site.server.credentials.secretAccessKey };
  project = await makeProject(join(folder, "project"), ["registry", "ssh", "s3"], env);
  await project.configure(config());
}, 60_000);
afterAll(async () => {
  await site[Symbol.asyncDispose]();
  for (const host of hosts) await host[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
}, 60_000);

/** An image; two hosts that run it by the digest the first target promises; a site, which is asked as users do. */
function config(): string {
  const { endpoint, region, credentials } = site.server;
  return `import { defineConfig, localStore, secret } from "lockstep";
import { registry } from "@lockstep/registry";
import { s3 } from "@lockstep/s3";
import { ssh } from "@lockstep/ssh";
const until = { successes: 1, intervalMs: 50, deadlineMs: 3000 };
export default defineConfig({ project: "shop", environments: { production: {
  store: localStore({ ephemeral: true }),
  targets: {
    image: registry({
      repository: "${server.host}/acme/shop",
      source: { directory: "build", base: "scratch", into: "/", run: { entrypoint: ["/bin/busybox"] } },
      tags: ${JSON.stringify(TAGS)},
      network: { plainHttp: true },
    }),
    ${hosts.map((host, index) => hostText(host, `web-${index + 1}`)).join("\n    ")}
    site: s3({
      bucket: "${site.bucket}", endpoint: "${endpoint}", region: "${region}",
      credentials: { accessKeyId: "${credentials.accessKeyId}", secretAccessKey: secret("S3_SECRET_KEY") },
      source: "build/www",
      check: { url: "${site.url}", until },
    }),
  },
  order: ["image", ["web-1", "web-2"], "site"],
} } });
`;
}

function hostText({ sshd, path, port }: ContainerHost, name: string): string {
  const command = ["httpd", "-f", "-p", `127.0.0.1:${port}`, "-h", "/www"];
  return `"${name}": ssh({
      hosts: [{ name: "${name}", address: "${sshd.address}", port: ${sshd.port}, user: "root" }],
      identity: "${sshd.identity}", knownHosts: "${sshd.knownHosts}", path: "${path}",
      container: {
        image: "image", name: "lockstep-fleet", options: ${JSON.stringify(CONTAINER_OPTIONS)},
        command: ${JSON.stringify(command)}, stopFirst: true, readyMs: 10_000,
      },
    }),`;
}

/** Deploys a version of the shop. */
async function deploy(version: string): Promise<Said> {
  await project.build({ "www/index.html": `<p>${version}</p>`, "www/about/index.html": "about" });
  await mkdir(join(project.folder, "build/bin"));
  await copyFile("/bin/busybox", join(project.folder, "build/bin/busybox"));
  return project.deploy();
}

/** What each tag points at, which images the hosts run, and what they answer to users. */
async function live(): Promise<{
  readonly digests: readonly (string | null)[];
  readonly answers: readonly string[];
}> {
  const tags = TAGS.map(async (tag) => digestOf(`${server.host}/acme/shop`, tag));
  const running = hosts.map(async (host) => (await host.running()).join("+"));
  const pages = hosts.map(({ port }) => `http://127.0.0.1:${port}/index.html`);
  const answers = [...pages, site.url].map(async (url) => (await fetch(url)).text());
  return { digests: await Promise.all([...tags, ...running]), answers: await Promise.all(answers) };
}

describe("an image, the hosts that run it, and a site in one run", { timeout: 240_000 }, () => {
  it("change together: hosts pull the digest of the first target, and a check of the last that fails puts all back", async () => {
    const first = await deploy("one");
    expect(first.exit, first.said).toBe(0);
    const one = await live();
    expect(one.digests[0]).toMatch(/^sha256:/);
    expect(new Set(one.digests).size, JSON.stringify(one)).toBe(1);
    expect(one.answers).toEqual(["<p>one</p>", "<p>one</p>", "<p>one</p>"]);

    const second = await deploy("two");
    expect(second.exit, second.said).toBe(0);
    const two = await live();
    expect(new Set(two.digests).size, JSON.stringify(two)).toBe(1);
    expect(two.digests[0]).not.toBe(one.digests[0]);
    expect(two.answers).toEqual(["<p>two</p>", "<p>two</p>", "<p>two</p>"]);

    const bad = await deploy("three");
    expect(bad.exit, bad.said).toBe(31);
    expect(bad.said).toContain("Putting everything back: ");
    expect(bad.said).toMatch(/site.*CHECK_FAILED|CHECK_FAILED.*site/s);
    expect(await live()).toEqual(two);

    const back = await project.lockstep("rollback", "-e", "production", "-y");
    expect(back.exit, back.said).toBe(0);
    expect(await live()).toEqual(one);
  });
});
