import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Json, Target } from "@lockstep/plugin";
import {
  type CrashWorld,
  describeCrashSweep,
  describeNetworkSweep,
  type SandboxSsh,
  startSshd,
} from "@lockstep/testkit";
import { afterAll, beforeAll } from "vitest";
import type { SshOptions } from "../../src/index.ts";
import type { Amount } from "../sweep/real-hosts.ts";
import { targetOf } from "./steps-target.ts";

/** What containers need where the limits of the machine may not be raised. */
const OPTIONS = [
  "--network=host",
  "--ulimit=nofile=1024:1024",
  "--ulimit=nproc=1024:1024",
  "--stop-timeout=0",
];

/** First part of all names that a sweep gives. */
const NAME = `lockstep-sweep-${randomBytes(4).toString("hex")}`;

/** An image: how it is named where it is deployed, and where it runs. */
interface Image {
  readonly digest: string;
  readonly id: string;
}

function podman(...words: readonly string[]): string {
  return execFileSync("podman", words, { encoding: "utf8", stdio: "pipe" }).trim();
}

/** Kills processes, and breaks the network, while a container takes the place of another on real podman. */
export function describeContainerSweeps({ kills, positions, seed }: Amount): void {
  let root: string;
  let server: SandboxSsh;
  let images: Readonly<Record<"one" | "two", Image>>;
  let upstream = { host: "127.0.0.1", port: 0 };
  const some = seed === undefined ? {} : { seed };
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "lockstep-containers-"));
    server = await startSshd({ folder: join(root, "sshd") });
    upstream = { host: server.address, port: server.port };
    images = { one: await makeImage(root, "one"), two: await makeImage(root, "two") };
  }, 60_000);
  afterAll(async () => {
    removeContainers(NAME);
    podman("rmi", "-f", `${NAME}:one`, `${NAME}:two`);
    await server[Symbol.asyncDispose]();
    await rm(root, { recursive: true });
  }, 60_000);

  describeCrashSweep("ssh with containers", {
    ...some,
    ...(kills === undefined ? {} : { kills }),
    module: new URL("steps-target.ts", import.meta.url).href,
    mayMiss: { share: 0.2, because: "what is written at once depends on time" },
    open: () => openWorld({ root, server, images }, server.port),
  });

  if (positions === undefined) return;
  describeNetworkSweep("ssh with containers", {
    ...some,
    positions,
    patienceMs: 20_000,
    mayMiss: { share: 0.2, because: "the last bytes and messages depend on time" },
    neverTwice: "every connection has keys of its own",
    get upstream() {
      return upstream;
    },
    open: ({ port }) => openWorld({ root, server, images }, port),
  });
}

/** An image of nothing but busybox, whose file `v` says which one it is. */
async function makeImage(root: string, version: string): Promise<Image> {
  const folder = join(root, version);
  await mkdir(join(folder, "bin"), { recursive: true });
  await copyFile("/bin/busybox", join(folder, "bin/busybox"));
  for (const name of ["sh", "sleep", "test"]) await symlink("busybox", join(folder, "bin", name));
  await writeFile(join(folder, "v"), version);
  const archive = join(root, `${version}.tar`);
  execFileSync("tar", ["-C", folder, "-cf", archive, "."]);
  podman("import", "-q", archive, `${NAME}:${version}`);
  const said = podman("image", "inspect", "-f", "{{.Digest}} {{.Id}}", `${NAME}:${version}`);
  const [digest = "", id = ""] = said.split(" ");
  return { digest, id };
}

function removeContainers(name: string): void {
  for (const id of podman("ps", "-aq", "--filter", `name=${name}`).split("\n")) {
    if (id !== "") podman("rm", "-f", "-t", "0", id);
  }
}

let worlds = 0;

async function openWorld(
  {
    root,
    server,
    images,
  }: {
    readonly root: string;
    readonly server: SandboxSsh;
    readonly images: Readonly<Record<"one" | "two", Image>>;
  },
  port: number,
): Promise<CrashWorld> {
  worlds += 1;
  const name = `${NAME}-${worlds}`;
  const { address, user, identity, hostKey } = server;
  const options = {
    hosts: [{ name: "web-1", address, port, user, hostKey }],
    identity,
    path: join(root, `world-${worlds}`, "shop"),
    container: {
      image: "image",
      name,
      options: OPTIONS,
      command: ["sleep", "1000"],
      ready: ["test", "-f", "/v"],
      readyMs: 20_000,
    },
  } satisfies Omit<SshOptions, "source">;
  const plain: Json = options;
  let image = images.one;
  const target: Target = targetOf(plain);
  const outputs = (): Record<string, Json> => ({
    repository: `localhost/${NAME}`,
    digest: image.digest,
  });
  return {
    target: { ...target, plan: (request, ctx) => target.plan(request, { ...ctx, outputs }) },
    folder: root,
    state: { options: plain, folder: root },
    async build(version) {
      image = images[version];
    },
    observe: async () => servedBy(name, images),
    dispose: async () => removeContainers(`${name}-`),
  };
}

/** Which image serves: that of the container that runs longest, as the new one is there before the old one goes. */
function servedBy(name: string, images: Readonly<Record<string, Image>>): string | null {
  const words = ["--filter", `label=lockstep=${name}`, "--sort", "created", "--no-trunc"];
  const ids = podman("ps", ...words, "--format", "{{.ImageID}}").split("\n");
  const [id = ""] = ids.map((one) => one.replace("sha256:", ""));
  return Object.keys(images).find((version) => images[version]?.id === id) ?? null;
}
