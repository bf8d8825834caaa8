import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { PlannedStep } from "@lockstep/plugin";
import { type SandboxSsh, startSshd } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SshContainerOptions, SshOptions } from "../../src/index.ts";
import { Shop } from "../world.ts";

const ONE = "20261121T101500Z-00000001";
const TWO = "20261121T101501Z-00000002";

/** What containers need where the limits of the machine may not be raised. */
const OPTIONS = [
  "--network=host",
  "--ulimit=nofile=1024:1024",
  "--ulimit=nproc=1024:1024",
  "--stop-timeout=0",
];
const NAME = `lockstep-${randomBytes(4).toString("hex")}`;

let root: string;
let server: SandboxSsh;
/** A host on which docker finds an engine: podman, as it answers docker's own client. */
let withDocker: SandboxSsh;
let engineOfDocker: ChildProcess;
let images: readonly [string, string];

function podman(...words: readonly string[]): string {
  return execFileSync("podman", words, { encoding: "utf8" }).trim();
}

/** An image of nothing but busybox, whose file `v` says which one it is. */
async function makeImage(version: string): Promise<string> {
  const folder = join(root, version);
  await mkdir(join(folder, "bin"), { recursive: true });
  await copyFile("/bin/busybox", join(folder, "bin/busybox"));
  for (const name of ["sh", "httpd", "sleep", "test"])
    await symlink("busybox", join(folder, "bin", name));
  await mkdir(join(folder, "www"));
  await writeFile(join(folder, "www/v"), version);
  const archive = join(root, `${version}.tar`);
  execFileSync("tar", ["-C", folder, "-cf", archive, "."]);
  podman("import", "-q", archive, `${NAME}:${version}`);
  const digest = podman(
    "image",
    "inspect",
    "--format",
    "{{.Digest}}",
    `localhost/${NAME}:${version}`,
  );
  return `localhost/${NAME}@${digest}`;
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "lockstep-containers-"));
  server = await startSshd({ folder: join(root, "plain"), user: "root" });
  const socket = join(root, "docker.sock");
  engineOfDocker = spawn("podman", ["system", "service", "-t", "0", `unix://${socket}`], {
    stdio: "ignore",
  });
  const config = [`SetEnv DOCKER_HOST=unix://${socket}`];
  withDocker = await startSshd({ folder: join(root, "docker"), user: "root", config });
  images = [await makeImage("one"), await makeImage("two")];
  while ((await stat(socket).catch(() => undefined)) === undefined) await sleep(50);
}, 60_000);
afterAll(async () => {
  for (const id of podman("ps", "-aq", "--filter", `name=${NAME}`).split("\n")) {
    if (id !== "") podman("rm", "-f", "-t", "0", id);
  }
  podman("rmi", "-f", `${NAME}:one`, `${NAME}:two`);
  engineOfDocker.kill();
  await once(engineOfDocker, "exit");
  await withDocker[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await rm(root, { recursive: true, maxRetries: 10, retryDelay: 200 });
}, 60_000);

/** Names of the containers of a shop that run, without what they share. */
function running(name: string): string[] {
  const names = podman("ps", "--filter", `label=lockstep=${name}`, "--format", "{{.Names}}");
  return names.split("\n").map((one) => one.slice(name.length + 1));
}

function openShop(
  container: Partial<SshContainerOptions>,
  options: Partial<SshOptions> = {},
  on: SandboxSsh = container.engine === "docker" ? withDocker : server,
): Promise<Shop> {
  const world = { server: on, root, [Symbol.asyncDispose]: async () => {} };
  return Shop.open(world, {
    source: undefined as never,
    container: {
      image: "image",
      name: `${NAME}-x`,
      options: OPTIONS,
      command: ["sleep", "1000"],
      readyMs: 10_000,
      ...container,
    },
    ...options,
  });
}

async function plan(shop: Shop, release: string, image: string): Promise<readonly PlannedStep[]> {
  const [repository, digest] = image.split("@");
  const outputs = () => ({ repository: repository ?? "", digest: digest ?? "" });
  const request = { kind: "deploy", release: { id: release, createdAt: "" } } as const;
  return (await shop.target.plan(request, { ...shop.context(), outputs })).steps;
}

/** Fences, stages and activates; returns how to go back. */
async function deploy(shop: Shop, release: string, image: string): Promise<() => Promise<unknown>> {
  await shop.fence();
  const steps = await plan(shop, release, image);
  const activate = steps.find(({ kind }) => kind === "ssh.activate/1");
  if (activate === undefined) throw new Error("nothing is planned");
  const link = ((await shop.observe()) as { readonly link: string } | null)?.link ?? null;
  for (const step of steps) {
    if (step.phase === "stage" || step.phase === "activate") await shop.apply(step);
  }
  return async () => shop.revert(activate, { previous: link });
}

describe.each(["podman", "docker"] as const)("a container of %s", { timeout: 60_000 }, (engine) => {
  it("takes the place of the one before, and gives it back", async () => {
    const name = `${NAME}-swap-${engine}`;
    await using shop = await openShop({ engine, name, ready: ["test", "-f", "/www/v"] });
    const toNothing = await deploy(shop, ONE, images[0]);
    expect(running(name)).toEqual([ONE]);
    shop.epoch += 1;
    const back = await deploy(shop, TWO, images[1]);
    expect(running(name)).toEqual([TWO]);
    expect(podman("exec", `${name}-${TWO}`, "busybox", "cat", "/www/v")).toBe("two");

    expect(await back()).toBe("restored");
    expect(running(name)).toEqual([ONE]);
    shop.epoch -= 1;
    await expect(toNothing()).rejects.toMatchObject({ code: "FENCED" });
    expect(running(name)).toEqual([ONE]);
  });

  it("goes away with a first release that is put back", async () => {
    const name = `${NAME}-first-${engine}`;
    await using shop = await openShop({ engine, name });
    const back = await deploy(shop, ONE, images[0]);

    expect(await back()).toBe("restored");
    expect(running(name)).toEqual([""]);
  });

  it("that does not get ready leaves the old one where it is", async () => {
    const name = `${NAME}-sick-${engine}`;
    await using shop = await openShop({
      engine,
      name,
      ready: ["test", "-f", "/www/v"],
      readyMs: 2000,
    });
    await deploy(shop, ONE, images[0]);
    await using sick = await openShop(
      { engine, name, ready: ["test", "-f", "/www/none"], readyMs: 2000 },
      { path: shop.path },
    );
    sick.epoch = 2;

    await expect(deploy(sick, TWO, images[1])).rejects.toMatchObject({
      code: "SSH_CONTAINER_FAILED",
    });
    expect(running(name)).toEqual([ONE]);
  });

  it("that needs the port of the old one gets it, and is asked", async () => {
    const name = `${NAME}-port-${engine}`;
    const probe = createServer().listen(0, "127.0.0.1");
    await once(probe, "listening");
    const { port } = probe.address() as { readonly port: number };
    probe.close();
    const command = ["httpd", "-f", "-p", `127.0.0.1:${port}`, "-h", "/www"];
    await using shop = await openShop({ engine, name, command, stopFirst: true });
    const seen: string[] = [];
    const look = async (): Promise<void> => {
      seen.push(await (await fetch(`http://127.0.0.1:${port}/v`)).text());
    };
    await deploy(shop, ONE, images[0]);
    await look();
    shop.epoch += 1;
    const back = await deploy(shop, TWO, images[1]);
    await look();
    await back();
    await look();

    expect(seen).toEqual(["one", "two", "one"]);
  });
});

describe("a container", { timeout: 60_000 }, () => {
  it.each<[string, { command?: string[]; restart?: string; health?: string }]>([
    ["ends soon after it started", { command: ["sh", "-c", "sleep 1"] }],
    ["is started again and again", { command: ["sh", "-c", "sleep 1"], restart: "always" }],
    ["is not healthy by its own account", { health: "test -f /www/none" }],
  ])("that %s leaves the old one where it is", async (_, { command, restart = "no", health }) => {
    const name = `${NAME}-frail`;
    await using shop = await openShop({
      name,
      options: [...OPTIONS, "--health-cmd=test -f /www/v"],
    });
    await deploy(shop, ONE, images[0]);
    const checked = health === undefined ? [] : [`--health-cmd=${health}`];
    const options = [...OPTIONS, `--restart=${restart}`, ...checked];
    await using frail = await openShop(
      { name, options, readyMs: 3000, ...(command === undefined ? {} : { command }) },
      { path: shop.path },
    );
    frail.epoch = 2;

    await expect(deploy(frail, TWO, images[1])).rejects.toMatchObject({
      code: "SSH_CONTAINER_FAILED",
    });
    expect(running(name)).toEqual([ONE]);
  });

  it("gets the variables that its options name, through sudo too", async () => {
    const name = `${NAME}-env`;
    await using shop = await openShop(
      {
        name,
        sudo: true,
        options: [...OPTIONS, "--env=TOKEN", "-e", "LOCKSTEP_RELEASE", "--env=FIXED=1"],
      },
      { env: { TOKEN: 'it\'s "one"', OTHER: "two" } },
    );
    await deploy(shop, ONE, images[0]);

    const given = podman("inspect", "--format", "{{json .Config.Env}}", `${name}-${ONE}`);
    const variables = JSON.parse(given) as readonly string[];
    expect(variables).toEqual(
      expect.arrayContaining(['TOKEN=it\'s "one"', `LOCKSTEP_RELEASE=${ONE}`, "FIXED=1"]),
    );
    expect(given).not.toContain("OTHER");
  });

  it("is refused where a client has no engine behind it", async () => {
    await using shop = await openShop({ engine: "docker" }, {}, server);
    await shop.fence();
    const [pull] = await plan(shop, ONE, images[0]);
    if (pull === undefined) throw new Error("nothing is planned");

    await expect(shop.apply(pull)).rejects.toMatchObject({
      code: "SSH_CONTAINER_FAILED",
      message: expect.stringMatching(/docker daemon/i) as string,
    });
  });

  it("needs an image whose digest is known", async () => {
    await using shop = await openShop({ image: "shop:latest" });
    const request = { kind: "deploy", release: { id: ONE, createdAt: "" } } as const;
    const planned = shop.target.plan(request, { ...shop.context(), outputs: () => undefined });

    await expect(planned).rejects.toMatchObject({ code: "SSH_IMAGE_UNKNOWN" });
  });
});
