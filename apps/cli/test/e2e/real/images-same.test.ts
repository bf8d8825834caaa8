import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startSandboxRegistry } from "@lockstep/testkit";
import { expect, it } from "vitest";
import { digestOf, makeProject } from "./images-rig.ts";

const execute = promisify(execFile);

/** The oldest Node that Lockstep runs on, and the one that runs this. */
const NODES = [
  fileURLToPath(
    new URL(
      "../../../node_modules/@lockstep/oldest-node/node_modules/node/bin/node",
      import.meta.url,
    ),
  ),
  process.execPath,
];
const CLI = fileURLToPath(new URL("../../../dist/main.js", import.meta.url));

const FILES = {
  "package.json": '{"name":"shop"}\n',
  "server.js": "// one\n".repeat(10_000),
  "public/style.css": "body {}\n",
  "node_modules/dep/index.js": "module.exports = 1;\n".repeat(10_000),
};

it(
  "a release is the same image to the byte, whichever Node makes it, Node 22.18 or 24, and it is this one",
  { timeout: 60_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "lockstep-nodes-"));
    await using server = await startSandboxRegistry();
    try {
      const versions: string[] = [];
      const digests: (string | null)[] = [];
      for (const [index, node] of NODES.entries()) {
        const project = await makeProject(join(folder, `${index}`), ["registry"]);
        await project.build(FILES);
        await project.configure(`import { defineConfig, localStore } from "lockstep";
import { registry } from "@lockstep/registry";
export default defineConfig({ project: "shop", environments: { production: {
  store: localStore({ ephemeral: true }),
  targets: { image: registry({
    repository: "${server.host}/acme/shop-${index}",
    source: { directory: "build", base: "scratch", platforms: ["linux/amd64", "linux/arm64/v8"] },
    network: { plainHttp: true },
  }) },
} } });
`);
        const env = { PATH: process.env["PATH"], HOME: folder, CI: "true" };
        await execute(node, [CLI, "deploy", "-e", "production", "-y"], {
          cwd: project.folder,
          env,
        });
        versions.push((await execute(node, ["--version"])).stdout.trim());
        digests.push(await digestOf(`${server.host}/acme/shop-${index}`, "latest"));
      }

      expect(versions[0]).toBe("v22.18.0");
      expect(versions[1]).toMatch(/^v24\./);
      expect(digests[1]).toBe(digests[0]);
      expect(digests[0]).toMatchInlineSnapshot(
        `"sha256:ae8982c3da8ee73ef8b50a936f527c7b6d3a00297c38e609d91dc284b8bd89b5"`,
      );
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);
