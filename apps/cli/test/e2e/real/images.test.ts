import { mkdtemp, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Distribution, type Sshd, startDistribution, startSshd } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestOf, makeProject, type Project, type Said } from "./images-rig.ts";

const TAGS = ["1.4", "latest"];

let folder: string;
let server: Distribution;
let sshd: Sshd;
let project: Project;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lockstep-images-"));
  server = await startDistribution({ folder: join(folder, "registry") });
  sshd = await startSshd({ folder: join(folder, "sshd") });
  project = await makeProject(join(folder, "project"), ["registry", "ssh"]);
  await project.configure(config());
});
afterAll(async () => {
  await sshd[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** An image, then a server whose check asks for a file that only good releases have. */
function config(): string {
  return `import { defineConfig, localStore } from "lockstep";
import { registry } from "@lockstep/registry";
import { ssh } from "@lockstep/ssh";
export default defineConfig({ project: "shop", environments: { production: {
  store: localStore({ ephemeral: true }),
  targets: {
    image: registry({
      repository: "${server.host}/acme/shop",
      source: { directory: "build", base: "scratch" },
      tags: ${JSON.stringify(TAGS)},
      network: { plainHttp: true },
    }),
    api: ssh({
      hosts: [{ name: "web-1", address: "${sshd.address}", port: ${sshd.port}, user: "root" }],
      identity: "${sshd.identity}", knownHosts: "${sshd.knownHosts}",
      path: "${join(folder, "srv")}", source: "build",
      checks: [{ command: ["test", "-f", "good"], until: { successes: 1, intervalMs: 50, deadlineMs: 500 } }],
    }),
  },
  order: ["image", "api"],
} } });
`;
}

async function deploy(files: Readonly<Record<string, string>>): Promise<Said> {
  await project.build(files);
  return project.deploy();
}

/** What users get: what each tag points at, and where the link on the host leads. */
async function live(): Promise<readonly (string | null)[]> {
  const tags = TAGS.map(async (tag) => digestOf(`${server.host}/acme/shop`, tag));
  const link = readlink(join(folder, "srv/current")).catch(() => null);
  return Promise.all([...tags, link]);
}

describe("an image and a server in one run", { timeout: 120_000 }, () => {
  it("change together, and a check that fails on the server puts the tags back too", async () => {
    const failedFirst = await deploy({ "server.js": "// zero\n" });
    expect(failedFirst.exit, failedFirst.said).toBe(31);
    expect(await live()).toEqual([null, null, null]);

    const first = await deploy({ "server.js": "// one\n", good: "" });
    expect(first.exit, first.said).toBe(0);
    const one = await live();
    expect(one[0]).toMatch(/^sha256:/);
    expect(one[1]).toBe(one[0]);

    const second = await deploy({ "server.js": "// two\n", good: "" });
    expect(second.exit, second.said).toBe(0);
    const two = await live();
    expect(two).not.toEqual(one);

    const bad = await deploy({ "server.js": "// three\n" });
    expect(bad.exit, bad.said).toBe(31);
    expect(await live()).toEqual(two);

    const back = await project.lockstep("rollback", "-e", "production", "-y");
    expect(back.exit, back.said).toBe(0);
    expect(await live()).toEqual(one);
  });
});
