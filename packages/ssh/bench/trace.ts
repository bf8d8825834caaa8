import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { SshConnection } from "../src/index.ts";
import { deploy, type Watch } from "./deploy.ts";
import { MOUNT, startPlace } from "./places.ts";
import { range, writeFiles } from "./trees.ts";

/**
 * When each part of a deploy begins and ends, and each request to the host in it, over a line of 25 ms each way: a
 * first deploy, one of 100 changed files, and one of nothing. Needs what `speed.ts` needs:
 *
 *     node -C @lockstep/source bench/trace.ts [files [bytes [near|far]]]
 */
const [files = "10000", bytes = "4096", way = "far"] = process.argv.slice(2);
const size = { files: Number(files), bytes: Number(bytes), perFolder: 100 };
const base = "/dev/shm";

let start = 0;

function say(depth: number, what: string, since: number): void {
  const [from, to] = [since - start, performance.now() - start].map((ms) => ms.toFixed(0));
  process.stdout.write(
    `${"  ".repeat(depth)}${from?.padStart(5)} to ${to?.padStart(5)} ms  ${what}\n`,
  );
}

async function seen<T>(depth: number, what: string, work: () => Promise<T>): Promise<T> {
  const since = performance.now();
  try {
    return await work();
  } finally {
    say(depth, what, since);
  }
}

const watch: Watch = {
  phase: async (what, work) => seen(0, what, work),
  connection: (made) =>
    Object.assign(Object.create(made) as SshConnection, { hosts: watched(made) }),
};

function watched({ hosts }: SshConnection): SshConnection["hosts"] {
  return hosts.map((host) => ({
    name: host.name,
    place: host.place,
    run: async (...args) => seen(1, "request", async () => host.run(...args)),
    runIfOpen: async (script) => host.runIfOpen(script),
    runLast: async (script) => host.runLast(script),
    prepare: (...args) => host.prepare(...args),
    exec: async (...args) => seen(1, "request of its own", async () => host.exec(...args)),
    tunnel: async (...args) => host.tunnel(...args),
    [Symbol.asyncDispose]: async () => host[Symbol.asyncDispose](),
  }));
}

async function main(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const place = await startPlace({ index: 0, base }, undefined, stack);
  const { server, port } = way === "near" ? place.near : place.far;
  const folder = await mkdtemp(join(base, "lockstep-bench-"));
  stack.defer(() => rm(folder, { recursive: true }));
  const dist = join(folder, "dist");
  await mkdir(dist);
  await writeFiles(dist, size, range(size.files));
  const hosts = [
    { name: "web-1", address: "127.0.0.1", port, user: server.user, hostKey: place.hostKey },
  ];
  const options = {
    hosts,
    identity: server.identity,
    source: "dist",
    path: join(MOUNT, "shop"),
    sshConfig: false,
  };
  const step = Math.max(1, Math.floor(size.files / 100));
  const some = (round: number): number[] =>
    range(Math.min(100, size.files))
      .map((index) => index * step + (round % step))
      .filter((index) => index % 100 !== 0);
  for (const [index, what] of [
    "warm-up",
    "first",
    "100 changed",
    "100 changed",
    "nothing",
  ].entries()) {
    if (what === "100 changed") await writeFiles(dist, size, some(index));
    process.stdout.write(`\n${what}\n`);
    start = performance.now();
    const path = index === 0 ? join(MOUNT, "warm") : options.path;
    await seen(0, "all", async () =>
      deploy({ options: { ...options, path }, folder, number: index + 1, watch }),
    );
  }
}

await main();
