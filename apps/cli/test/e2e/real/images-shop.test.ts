import { execFile } from "node:child_process";
import { copyFile, lstat, mkdir, mkdtemp, readdir, readFile, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Distribution, startDistribution } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CONTAINER_OPTIONS, freePort } from "./images-hosts.ts";
import { digestOf, makeProject, type Project } from "./images-rig.ts";

const execute = promisify(execFile);
const BUILD = fileURLToPath(new URL("../../../../demo/shop/build.mjs", import.meta.url));

let folder: string;
let server: Distribution;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lockstep-shop-image-"));
  server = await startDistribution({ folder: join(folder, "registry") });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
});

async function run(program: string, ...words: readonly string[]): Promise<string> {
  return (await execute(program, words, { maxBuffer: 64 * 1024 * 1024 })).stdout;
}

/** Deploys a folder as an image; returns its digest. */
async function push(
  project: Project,
  { name, source }: { readonly name: string; readonly source: object },
): Promise<string> {
  await project.configure(`import { defineConfig, localStore } from "lockstep";
import { registry } from "@lockstep/registry";
export default defineConfig({ project: "shop", environments: { production: {
  store: localStore({ ephemeral: true }),
  targets: { image: registry({
    repository: "${server.host}/${name}",
    source: ${JSON.stringify({ directory: "build", ...source })},
    network: { plainHttp: true },
  }) },
} } });
`);
  const { exit, said } = await project.deploy();
  expect(exit, said).toBe(0);
  return (await digestOf(`${server.host}/${name}`, "latest")) ?? "none";
}

/** A base with nothing but this Node and the libraries it names, in the places where it looks for them. */
async function makeBase(): Promise<string> {
  const project = await makeProject(join(folder, "base"), ["registry"]);
  await project.build({ "etc/os-release": "ID=nothing\n", "tmp/.keep": "" });
  const root = join(project.folder, "build");
  const copy = async (from: string, to: string): Promise<void> => {
    await mkdir(dirname(join(root, to)), { recursive: true });
    await copyFile(await realpath(from), join(root, to));
  };
  await copy(process.execPath, "usr/bin/node");
  const needed = await run("ldd", process.execPath);
  for (const [, path = ""] of needed.matchAll(/(\/\S+) \(0x/g)) await copy(path, path);
  return push(project, { name: "demo/base", source: { base: "scratch", into: "/" } });
}

/** Every file below a folder with its mode and its bytes. */
async function listing(root: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const path of (await readdir(root, { recursive: true })).toSorted()) {
    const { mode, uid, gid } = await lstat(join(root, path));
    const isFile = (mode & 0o170_000) === 0o100_000;
    const bytes = isFile ? await readFile(join(root, path), "base64") : "";
    found[path] = `${mode.toString(8)} ${uid}:${gid} ${bytes}`;
  }
  return found;
}

describe("the shop of the demo as an image", { timeout: 180_000 }, () => {
  it("is what was built, to skopeo and umoci, and answers on its port under podman and runc", async () => {
    const base = await makeBase();
    const project = await makeProject(join(folder, "project"), ["registry"]);
    const build = join(project.folder, "build");
    await run(process.execPath, BUILD, build, "--version", "1");
    const port = await freePort();
    const config = {
      entrypoint: ["/usr/bin/node"],
      cmd: ["server.mjs"],
      env: { PORT: String(port), NODE_ENV: "production" },
      labels: { "com.example.shop": "demo" },
      user: "1000:1000",
      ports: [port],
      stopSignal: "SIGTERM",
    };

    const digest = await push(project, {
      name: "demo/shop",
      source: { base: `${server.host}/demo/base@${base}`, layers: "node", run: config },
    });

    const image = `${server.host}/demo/shop@${digest}`;
    const layout = join(folder, "layout");
    await run(
      "skopeo",
      "copy",
      "--src-tls-verify=false",
      `docker://${image}`,
      `oci:${layout}:shop`,
    );
    await run("umoci", "unpack", "--image", `${layout}:shop`, join(folder, "bundle"));
    expect(await listing(join(folder, "bundle/rootfs/app"))).toEqual(await listing(build));
    const said = JSON.parse(await run("skopeo", "inspect", "--config", `oci:${layout}:shop`)) as {
      readonly config: object;
      readonly rootfs: { readonly diff_ids: readonly string[] };
    };
    expect(said.config).toEqual({
      Cmd: ["server.mjs"],
      Entrypoint: ["/usr/bin/node"],
      Env: expect.arrayContaining([`PORT=${port}`, "NODE_ENV=production"]) as string[],
      ExposedPorts: { [`${port}/tcp`]: {} },
      Labels: { "com.example.shop": "demo" },
      StopSignal: "SIGTERM",
      User: "1000:1000",
      WorkingDir: "/app",
    });
    // of the base, of the pages and pictures, of the service
    expect(said.rootfs.diff_ids).toHaveLength(3);

    await using stack = new AsyncDisposableStack();
    stack.use(await started(image));
    const [page, health] = await Promise.all([
      answerOf(`http://127.0.0.1:${port}/`),
      answerOf(`http://127.0.0.1:${port}/health`),
    ]);
    expect(page).toBe(await readFile(join(build, "public/index.html"), "utf8"));
    expect(JSON.parse(health)).toMatchObject({ ok: true, release: "app" });
  });
});

/** Pulls an image by its digest into a storage of its own, and runs it with what it says itself. */
async function started(image: string): Promise<AsyncDisposable> {
  const storage = ["--root", join(folder, "podman"), "--runroot", join(folder, "podman-run")];
  const podman = (...words: readonly string[]): Promise<string> =>
    run("podman", ...storage, "--storage-driver", "vfs", "--runtime", "runc", ...words);
  const options = CONTAINER_OPTIONS;
  const id = await podman("run", "--detach", "--tls-verify=false", ...options, image);
  return {
    async [Symbol.asyncDispose]() {
      await podman("rm", "--force", "--time", "0", id.trim());
    },
  };
}

async function answerOf(url: string): Promise<string> {
  for (let tries = 0; ; tries += 1) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer !== undefined) return answer.text();
    if (tries === 200) throw new Error(`${url} does not answer`);
    await sleep(50);
  }
}
