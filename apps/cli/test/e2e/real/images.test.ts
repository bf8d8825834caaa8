import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Distribution, type Sshd, startDistribution, startSshd } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const CLI = fileURLToPath(new URL("../../..", import.meta.url));
const PACKAGES = fileURLToPath(new URL("../../../../../packages", import.meta.url));
const TAGS = ["1.4", "latest"];

let folder: string;
let server: Distribution;
let sshd: Sshd;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lockstep-images-"));
  server = await startDistribution({ folder: join(folder, "registry") });
  sshd = await startSshd({ folder: join(folder, "sshd") });
  await mkdir(join(folder, "project/node_modules/@lockstep"), { recursive: true });
  await mkdir(join(folder, "project/build"));
  await symlink(CLI, join(folder, "project/node_modules/lockstep"));
  for (const name of ["registry", "ssh"]) {
    await symlink(join(PACKAGES, name), join(folder, "project/node_modules/@lockstep", name));
  }
  await writeFile(join(folder, "project/package.json"), '{ "type": "module" }\n');
  await writeFile(join(folder, "project/lockstep.config.ts"), config());
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

async function deploy(
  files: Readonly<Record<string, string>>,
): Promise<{ exit: number | null; said: string }> {
  const build = join(folder, "project/build");
  await rm(build, { recursive: true });
  await mkdir(build);
  for (const [name, text] of Object.entries(files)) await writeFile(join(build, name), text);
  return lockstep("deploy", "-e", "production", "-y");
}

function lockstep(...words: readonly string[]): Promise<{ exit: number | null; said: string }> {
  const child = spawn(process.execPath, [join(CLI, "dist/main.js"), ...words], {
    cwd: join(folder, "project"),
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"], HOME: folder, CI: "true" },
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  }
  return new Promise((resolve) => {
    child.on("close", (exit) => resolve({ exit, said }));
  });
}

/** What users get: what each tag points at, and where the link on the host leads. */
async function live(): Promise<readonly (string | null)[]> {
  const tags = TAGS.map(async (tag) => {
    const answer = await fetch(`http://${server.host}/v2/acme/shop/manifests/${tag}`, {
      headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
    });
    await answer.body?.cancel();
    return answer.headers.get("docker-content-digest");
  });
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

    const back = await lockstep("rollback", "-e", "production", "-y");
    expect(back.exit, back.said).toBe(0);
    expect(await live()).toEqual(one);
  });
});
