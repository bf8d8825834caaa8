import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Sshd, startSshd } from "@lockstep/testkit";

const run = promisify(execFile);

/** A real host whose podman has a storage of its own: what it runs it has pulled. */
export interface ContainerHost extends AsyncDisposable {
  readonly sshd: Sshd;
  /** Folder of the releases, absolute. */
  readonly path: string;
  /** Where its containers may listen, on loopback. */
  readonly port: number;
  /** Digests of the images whose containers run. */
  running(): Promise<readonly string[]>;
}

/** What containers need where the limits of the machine may not be raised. */
export const CONTAINER_OPTIONS: readonly string[] = [
  "--network=host",
  "--ulimit=nofile=1024:1024",
  "--ulimit=nproc=1024:1024",
  "--stop-timeout=0",
];

/** Starts a host in a new folder; its podman runs runc, and may pull from `registry` over plain HTTP. */
export async function startContainerHost(folder: string, registry: string): Promise<ContainerHost> {
  await mkdir(folder, { recursive: true });
  const files = {
    CONTAINERS_STORAGE_CONF: `[storage]
driver = "vfs"
graphroot = "${join(folder, "images")}"
runroot = "${join(folder, "run")}"
`,
    CONTAINERS_REGISTRIES_CONF: `[[registry]]\nlocation = "${registry}"\ninsecure = true\n`,
    CONTAINERS_CONF: `[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
`,
  };
  const env: Record<string, string> = {};
  for (const [name, text] of Object.entries(files)) {
    env[name] = join(folder, `${name}.toml`);
    await writeFile(env[name], text);
  }
  const set = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const sshd = await startSshd({
    folder: join(folder, "sshd"),
    config: [`SetEnv ${set.join(" ")}`],
  });
  const podman = async (...words: readonly string[]): Promise<readonly string[]> => {
    const { stdout } = await run("podman", words, { env: { PATH: process.env["PATH"], ...env } });
    return stdout.split("\n").filter((line) => line !== "");
  };
  return {
    sshd,
    path: join(folder, "srv"),
    port: await freePort(),
    async running() {
      const ids = await podman("ps", "--quiet", "--filter", "label=lockstep");
      return ids.length === 0 ? [] : podman("inspect", "--format", "{{.ImageDigest}}", ...ids);
    },
    async [Symbol.asyncDispose]() {
      for (const id of await podman("ps", "--all", "--quiet")) {
        await podman("rm", "--force", "--time", "0", id);
      }
      await sshd[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
    },
  };
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { readonly port: number };
  server.close();
  await once(server, "close");
  return port;
}
