import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type SandboxSsh, startSandboxSsh } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../../../..", import.meta.url));

let folder = "";
let host: SandboxSsh;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lockstep-custom-"));
  host = await startSandboxSsh({ folder: join(folder, "host") });
  await mkdir(join(folder, "node_modules/@lockstep"), { recursive: true });
  await mkdir(join(folder, "build"));
  await mkdir(join(folder, "shelf/releases"), { recursive: true });
  await symlink(join(ROOT, "apps/cli"), join(folder, "node_modules/lockstep"));
  await symlink(join(ROOT, "packages/ssh"), join(folder, "node_modules/@lockstep/ssh"));
  const config = `
    import { defineConfig, localStore } from "lockstep";
    import { ssh } from "@lockstep/ssh";
    import { folder } from "${join(ROOT, "docs/examples/custom-target/src/folder.ts")}";
    export default defineConfig({
      project: "shop",
      environments: {
        production: {
          store: localStore({ ephemeral: true }),
          targets: {
            shelf: folder("build/index.html", "${join(folder, "shelf")}"),
            web: ssh({
              hosts: [{ address: "${host.address}", port: ${host.port}, user: "${host.user}", hostKey: "${host.hostKey}" }],
              identity: "${host.identity}",
              path: "${join(host.folder, "shop")}",
              source: "build",
              checks: [{ command: ["test", "!", "-e", "broken"], until: { successes: 1, intervalMs: 10, deadlineMs: 50 } }],
            }),
          },
          order: ["shelf", "web"],
        },
      },
    });
  `;
  await writeFile(join(folder, "lockstep.config.mjs"), config);
});

afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function deploy(text: string): Promise<number> {
  await writeFile(join(folder, "build/index.html"), text);
  const words = [join(ROOT, "apps/cli/dist/main.js"), "deploy", "-e", "production", "-y"];
  return run(process.execPath, words, { cwd: folder }).then(
    () => 0,
    (error: { readonly code: number }) => error.code,
  );
}

/** What both targets serve. */
async function served(): Promise<readonly string[]> {
  const [ref = ""] = (await readFile(join(folder, "shelf/current"), "utf8")).split("\n");
  const link = await readlink(join(host.folder, "shop/current"));
  return Promise.all([
    readFile(join(folder, "shelf/releases", ref), "utf8"),
    readFile(join(host.folder, "shop", link, "index.html"), "utf8"),
  ]);
}

describe("the smallest target of the documentation, beside servers", () => {
  it("goes live with them and is put back with them", async () => {
    const first = await deploy("one");
    const second = await deploy("two");
    const live = await served();
    await writeFile(join(folder, "build/broken"), "");
    const broken = await deploy("three");

    expect([first, second, broken]).toEqual([0, 0, 31]);
    expect(live).toEqual(["two", "two"]);
    expect(await served()).toEqual(["two", "two"]);
  }, 120_000);
});
