import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type SandboxSsh, startSandboxSsh } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../../../..", import.meta.url));
const RUNNER = [
  "packages/plugin",
  "packages/events",
  "packages/state",
  "packages/config",
  "packages/core",
  "apps/cli",
];
const TARGET = ["packages/artifact", "packages/ssh"];

let folder = "";
let project = "";
let host: SandboxSsh;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lockstep-packed-"));
  project = join(folder, "project");
  host = await startSandboxSsh({ folder: join(folder, "host") });
  await mkdir(join(project, "build"), { recursive: true });
  await writeFile(join(project, "build/index.html"), "<h1>shop</h1>\n");
  await writeFile(
    join(project, "package.json"),
    '{ "name": "shop", "private": true, "type": "module" }\n',
  );
  for (const path of [...RUNNER, ...TARGET]) {
    await run("pnpm", ["-C", join(ROOT, path), "pack", "--out", tarballOf(path)]);
  }
}, 60_000);

afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

function tarballOf(path: string): string {
  return join(folder, `${path.replaceAll("/", "-")}.tgz`);
}

async function install(paths: readonly string[]): Promise<string[]> {
  const words = ["install", "--no-audit", "--no-fund", "--ignore-scripts", ...paths.map(tarballOf)];
  await run("npm", words, { cwd: project });
  return readdir(join(project, "node_modules"));
}

describe("the packed packages", () => {
  it("of the runner alone bring no SSH client", async () => {
    const installed = await install(RUNNER);

    expect(installed).toContain("lockstep");
    expect(installed).not.toContain("ssh2");
  }, 60_000);

  it("installed in an empty folder deploy", async () => {
    await install(TARGET);
    const config = `
      import { defineConfig, localStore } from "lockstep";
      import { ssh } from "@lockstep/ssh";
      export default defineConfig({
        project: "shop",
        environments: {
          production: {
            store: localStore(),
            targets: {
              web: ssh({
                hosts: [{ name: "web-1", address: "${host.address}", port: ${host.port}, user: "${host.user}" }],
                knownHosts: "${host.knownHosts}",
                identity: "${host.identity}",
                path: "${join(host.folder, "srv/shop")}",
                source: "build",
              }),
            },
          },
        },
      });
    `;
    await writeFile(join(project, "lockstep.config.ts"), config);

    const { stdout } = await run(
      join(project, "node_modules/.bin/lockstep"),
      ["deploy", "-e", "production", "-y", "--output", "json"],
      { cwd: project },
    );

    expect(JSON.parse(stdout)).toMatchObject({ result: "done", exit: 0 });
    const live = join(host.folder, "srv/shop/current/index.html");
    expect(await readFile(live, "utf8")).toBe("<h1>shop</h1>\n");
  }, 60_000);
});
