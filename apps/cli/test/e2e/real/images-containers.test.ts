import { copyFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Distribution, startDistribution } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CONTAINER_OPTIONS, type ContainerHost, startContainerHost } from "./images-hosts.ts";
import { digestOf, makeProject, type Project, type Said } from "./images-rig.ts";

const TAGS = ["1.4", "latest"];

let folder: string;
let server: Distribution;
let project: Project;
const hosts: ContainerHost[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lockstep-fleet-"));
  server = await startDistribution({ folder: join(folder, "registry") });
  for (const name of ["web-1", "web-2"]) {
    hosts.push(await startContainerHost(join(folder, name), server.host));
  }
  project = await makeProject(join(folder, "project"), ["registry", "ssh", "http"]);
  await project.configure(config());
}, 60_000);
afterAll(async () => {
  for (const host of hosts) await host[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

/** An image; two hosts that run it by the digest the first target promises; what users see, last. */
function config(): string {
  return `import { defineConfig, localStore } from "lockstep";
import { http } from "@lockstep/http";
import { registry } from "@lockstep/registry";
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
    users: http({ checks: ${JSON.stringify(hosts.map(({ port }) => port))}.map((port) => ({
      url: \`http://127.0.0.1:\${port}/good\`, until,
    })) }),
  },
  order: ["image", ["web-1", "web-2"], "users"],
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

/** Deploys a version of the shop; users call it good, or not. */
async function deploy(version: string, { isGood }: { readonly isGood: boolean }): Promise<Said> {
  await project.build({ "www/v": version, ...(isGood ? { "www/good": "yes" } : {}) });
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
  const answers = hosts.map(async ({ port }) => (await fetch(`http://127.0.0.1:${port}/v`)).text());
  return { digests: await Promise.all([...tags, ...running]), answers: await Promise.all(answers) };
}

describe("hosts that run the image of the same run", { timeout: 180_000 }, () => {
  it("pull it by the digest that the registry target promises, and go back together with the tags", async () => {
    const first = await deploy("one", { isGood: true });
    expect(first.exit, first.said).toBe(0);
    const one = await live();
    expect(one.digests[0]).toMatch(/^sha256:/);
    expect(new Set(one.digests).size, JSON.stringify(one)).toBe(1);
    expect(one.answers).toEqual(["one", "one"]);

    const second = await deploy("two", { isGood: true });
    expect(second.exit, second.said).toBe(0);
    const two = await live();
    expect(new Set(two.digests).size, JSON.stringify(two)).toBe(1);
    expect(two.digests[0]).not.toBe(one.digests[0]);
    expect(two.answers).toEqual(["two", "two"]);

    const bad = await deploy("three", { isGood: false });
    expect(bad.exit, bad.said).toBe(31);
    expect(await live()).toEqual(two);

    const back = await project.lockstep("rollback", "-e", "production", "-y");
    expect(back.exit, back.said).toBe(0);
    expect(await live()).toEqual(one);
  });
});
