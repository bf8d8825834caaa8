import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Json, WriteContext } from "@lockstep/plugin";
import { createAccount, type SandboxSsh, startSshd, testContext } from "@lockstep/testkit";
import { ssh, type SshConnection } from "../src/index.ts";
import { range, type TreeSize, writeFiles } from "./trees.ts";

/**
 * Deploys, rsync and tar side by side in one run, on a real sshd of this machine, direct and over a line of 25 ms
 * each way. Needs root, rsync and the ssh program: `node -C @lockstep/source bench/speed.ts [scale]`, where a scale
 * of 0.1 makes trees a tenth as large.
 */
const run = promisify(execFile);
const scale = Number(process.argv[2] ?? "1");

const SMALL: TreeSize = { files: Math.ceil(10_000 * scale), bytes: 4096, perFolder: 100 };
const LARGE: TreeSize = { files: Math.ceil(200 * scale), bytes: 1_048_576, perFolder: 100 };
const DELAY_MS = 25;

/** A server at a port, direct or behind the line. */
interface Way {
  readonly server: SandboxSsh;
  readonly port: number;
  readonly root: string;
}

/** Seconds that something takes. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

let epoch = 0;

/** A whole deploy to one path, with everything a run does on a host: plan, fence, stage, activate. */
async function deploy(
  way: Way,
  path: string,
  folder: string,
): Promise<{ seconds: number; calls: number }> {
  const { server, port } = way;
  const target = ssh({
    hosts: [
      { name: "web-1", address: "127.0.0.1", port, user: server.user, hostKey: server.hostKey },
    ],
    identity: server.identity,
    source: "dist",
    path,
    sshConfig: false,
  });
  epoch += 1;
  const release = { id: `release-${String(epoch).padStart(4, "0")}`, createdAt: "" };
  let calls = 0;
  const seconds = await timed(async () => {
    const opened = await target.connect(testContext(undefined, { folder }));
    await using connection = counting(opened, () => (calls += 1));
    const stamp = { lineage: "0f".repeat(16), epoch, run: `bench-${epoch}` };
    const ctx: WriteContext<SshConnection> = testContext(connection, {
      folder,
      unit: "web-1",
      stamp,
      run: stamp.run,
    });
    await target.live(ctx);
    const plan = await target.plan(
      { kind: "deploy", release },
      { ...ctx, outputs: () => undefined },
    );
    if (plan.steps.length > 0) await target.fence?.(stamp, ctx);
    for (const step of plan.steps) {
      const handler = target.steps.find(({ kind }) => kind === step.kind);
      if (handler === undefined) continue;
      const before: Json = await handler.inspect(step.input, ctx);
      await handler.apply(step.input, before, ctx);
    }
  });
  return { seconds, calls };
}

/** The same connection, its calls counted. */
function counting(connection: SshConnection, count: () => void): SshConnection {
  const hosts = connection.hosts.map((host) => ({
    name: host.name,
    place: host.place,
    run: (...args: Parameters<typeof host.run>) => (count(), host.run(...args)),
    exec: (...args: Parameters<typeof host.exec>) => (count(), host.exec(...args)),
    tunnel: (...args: Parameters<typeof host.tunnel>) => host.tunnel(...args),
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  }));
  return { ...connection, hosts };
}

function sshWords({ server, port }: Way): string[] {
  const options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"];
  return ["ssh", "-p", `${port}`, "-i", server.identity, ...options.flatMap((one) => ["-o", one])];
}

function rsync(
  way: Way,
  [from, to]: readonly [string, string],
  more: readonly string[] = [],
): Promise<unknown> {
  const words = [
    "-a",
    ...more,
    "-e",
    sshWords(way).join(" "),
    `${from}/`,
    `${way.server.user}@127.0.0.1:${to}/`,
  ];
  return run("rsync", words);
}

/** Packs, sends, unpacks and compares. */
async function tar(way: Way, from: string, to: string): Promise<unknown> {
  const remote = `mkdir -p ${to} && cd ${to} && tar -xf - && sha256sum -c --quiet sums`;
  const login = `${sshWords(way).join(" ")} ${way.server.user}@127.0.0.1`;
  const script = `cd ${from} && find . -type f ! -name sums -print0 | xargs -0 sha256sum >../sums && mv ../sums . && tar -cf - . | ${login} '${remote}'; s=$?; rm -f sums; exit $s`;
  return run("sh", ["-c", script], { maxBuffer: 1e8 });
}

async function compare(
  name: string,
  size: TreeSize,
  { direct, slow }: { direct: Way; slow: Way },
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-bench-"));
  const dist = join(folder, "dist");
  await mkdir(dist);
  await writeFiles(dist, size, range(size.files));
  const path = (word: string): string => join(direct.root, `${name}-${word}`);
  say(`\n${name}: ${size.files} files of ${size.bytes} bytes`);

  const tarS = await timed(() => tar(direct, dist, path("tar")));
  const nearS = await deploy(direct, path("near"), folder);
  const rsyncNear = await timed(() => rsync(direct, [dist, path("rsync-near")]));
  ratio("direct, first deploy : tar | ssh tar and sha256sum", nearS.seconds, tarS);
  ratio("direct, first deploy : rsync -a", nearS.seconds, rsyncNear);

  const rsyncS = await timed(() => rsync(slow, [dist, path("rsync")]));
  const first = await deploy(slow, path("far"), folder);
  ratio("25 ms, first deploy : rsync -a", first.seconds, rsyncS);

  await writeFiles(
    dist,
    size,
    range(Math.min(100, size.files))
      .map((index) => index * Math.max(1, Math.floor(size.files / 100)) + 1)
      .filter((index) => index < size.files),
  );
  const link = [`--link-dest=${path("rsync")}`];
  const changedRsync = await timed(() => rsync(slow, [dist, path("rsync-2")], link));
  const changed = await deploy(slow, path("far"), folder);
  ratio("25 ms, 100 files changed : rsync -a --link-dest", changed.seconds, changedRsync);

  const nothing = await deploy(slow, path("far"), folder);
  say(`  nothing changed: ${nothing.calls} requests, ${nothing.seconds.toFixed(2)} s`);
  await rm(folder, { recursive: true });
}

function ratio(what: string, ours: number, theirs: number): void {
  say(`  ${what}: ${ours.toFixed(2)} s / ${theirs.toFixed(2)} s = ${(ours / theirs).toFixed(2)}`);
}

async function main(): Promise<void> {
  await using account = await createAccount({ shell: "dash" });
  const folder = await mkdtemp(join(tmpdir(), "lockstep-bench-"));
  await using server = await startSshd({ folder, user: account.name });
  const line = spawn(process.execPath, [
    join(import.meta.dirname, "slow-line.ts"),
    `${server.port}`,
    `${DELAY_MS}`,
  ]);
  try {
    const [port] = (await once(line.stdout, "data")) as [Buffer];
    const direct = { server, port: server.port, root: account.home };
    const slow = { ...direct, port: Number(port.toString()) };
    await compare("small", SMALL, { direct, slow });
    await compare("large", LARGE, { direct, slow });
  } finally {
    line.kill();
    await rm(folder, { recursive: true });
  }
}

await main();
