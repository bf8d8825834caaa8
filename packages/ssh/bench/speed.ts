import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { loadavg } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { SshOptions } from "../src/index.ts";
import { deploy } from "./deploy.ts";
import { rsync, tar, type Way } from "./peers.ts";
import { MOUNT, type Place, startPlace } from "./places.ts";
import { range, type TreeSize, writeFiles } from "./trees.ts";

/**
 * Deploys, rsync and tar side by side in one run, on real sshd of this machine, direct and over a line of 25 ms
 * each way. Ours and theirs take turns, and medians are compared. Needs root, rsync and the ssh program:
 *
 *     node -C @lockstep/source bench/speed.ts [scale [rounds [folder]]]
 *
 * A scale of 0.1 makes trees a tenth as large. The folder, default /dev/shm, holds both ends.
 */
const [scaleText = "1", roundsText = "3", base = "/dev/shm"] = process.argv.slice(2);
const scale = Number(scaleText);
const rounds = Number(roundsText);

/** What a command takes to start, between the end of a build and its first look at it, in milliseconds. */
const START_MS = 200;

const SMALL: TreeSize = { files: Math.ceil(10_000 * scale), bytes: 4096, perFolder: 100 };
const LARGE: TreeSize = { files: Math.ceil(200 * scale), bytes: 1_048_576, perFolder: 100 };
const FEW: TreeSize = { files: 20, bytes: 4096, perFolder: 100 };
const FLEET = 20;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Seconds that something takes. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

function median(all: readonly number[]): number {
  return all.toSorted((one, other) => one - other)[Math.floor(all.length / 2)] ?? 0;
}

/** One way to do something. What is ours has a name that begins so, and is compared with all that is not. */
type Runner = readonly [name: string, work: (round: number) => Promise<unknown>];

/** Two or more ways to do the same, in turn. */
async function race(what: string, limit: string, runners: readonly Runner[]): Promise<void> {
  const times = new Map<string, number[]>();
  const cpuMs = new Map<string, number>();
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, work] of runners) {
      const used = process.cpuUsage();
      const seconds = await timed(() => work(round));
      const { user, system } = process.cpuUsage(used);
      cpuMs.set(name, (cpuMs.get(name) ?? 0) + (user + system) / 1000 / rounds);
      times.set(name, [...(times.get(name) ?? []), seconds]);
    }
  }
  const names = runners.map(([name]) => name);
  for (const ours of names.filter((name) => name.startsWith("ours"))) {
    const mine = median(times.get(ours) ?? []);
    const ratios = names.flatMap((name) => {
      if (name.startsWith("ours")) return [];
      const other = median(times.get(name) ?? []);
      return [`${(mine / other).toFixed(2)} × ${name} (${other.toFixed(2)} s)`];
    });
    const cpu = ((cpuMs.get(ours) ?? 0) / 1000).toFixed(2);
    const load = loadavg()[0]?.toFixed(1);
    say(
      `  ${what}${ours.slice("ours".length)}: ${mine.toFixed(2)} s, CPU here ${cpu} s = ${ratios.join(", ")}; wanted ${limit}; load ${load}`,
    );
  }
}

let number = 0;

/** Deploys to some hosts; the release is a new one. */
async function ourDeploy(
  ways: readonly (Way & { readonly hostKey: string })[],
  {
    path,
    folder,
    links = false,
  }: { readonly path: string; readonly folder: string; readonly links?: boolean },
): Promise<void> {
  const [first] = ways;
  if (first === undefined) return;
  const options: SshOptions = {
    hosts: ways.map(({ server, port, hostKey }, index) => ({
      name: `web-${index + 1}`,
      address: "127.0.0.1",
      port,
      user: server.user,
      hostKey,
    })),
    identity: first.server.identity,
    source: "dist",
    path,
    sshConfig: false,
    ...(links ? { base: "link" } : {}),
  };
  number += 1;
  await deploy({ options, folder, number });
}

async function compare(name: string, size: TreeSize, { near, far, hostKey }: Place): Promise<void> {
  const folder = await mkdtemp(join(base, "lockstep-bench-"));
  const dist = join(folder, "dist");
  await mkdir(dist);
  await writeFiles(dist, size, range(size.files));
  const at = (word: string): string => join(MOUNT, `${name}-${word}`);
  const direct = [{ ...near, hostKey }];
  const slow = [{ ...far, hostKey }];
  say(`\n${name}: ${size.files} files of ${size.bytes} bytes`);

  await race("direct, first deploy", "1.40 × tar", [
    ["ours", (round) => ourDeploy(direct, { path: at(`near-${round}`), folder })],
    ["tar", (round) => tar(near, [dist, at(`tar-${round}`)])],
    ["rsync", (round) => rsync(near, [dist, at(`rsync-near-${round}`)])],
  ]);
  await race("25 ms, first deploy", "0.80 × rsync -a", [
    ["ours", (round) => ourDeploy(slow, { path: at(`far-${round}`), folder })],
    ["rsync -a", (round) => rsync(far, [dist, at(`rsync-${round}`)])],
  ]);
  const few = Math.min(100, size.files);
  const step = Math.max(1, Math.floor(size.files / few));
  const change = async (round: number): Promise<void> => {
    const changed = range(few)
      .map((index) => index * step + 1 + (round % step))
      .filter((index) => index % size.perFolder !== 0 && index < size.files);
    await writeFiles(dist, size, changed);
    await sleep(START_MS);
  };
  await ourDeploy(slow, { path: at("linked"), folder });
  await change(0);
  await race("25 ms, 100 files changed", "0.50 × rsync -a --link-dest", [
    ["ours", () => ourDeploy(slow, { path: at("far-0"), folder })],
    // as rsync does it here
    ["ours, linked", () => ourDeploy(slow, { path: at("linked"), folder, links: true })],
    [
      "rsync -a --link-dest",
      async (round) => {
        const before = at(round === 0 ? "rsync-0" : `link-${round - 1}`);
        await rsync(far, [dist, at(`link-${round}`)], [`--link-dest=${before}`]);
        await change(round + 1);
      },
    ],
  ]);
  await ourDeploy(slow, { path: at("far-0"), folder });
  const nothing = await timed(() => ourDeploy(slow, { path: at("far-0"), folder }));
  say(`  25 ms, nothing changed: ${nothing.toFixed(2)} s`);
  await rm(folder, { recursive: true });
}

async function fleet(places: readonly Place[]): Promise<void> {
  const folder = await mkdtemp(join(base, "lockstep-bench-"));
  const dist = join(folder, "dist");
  await mkdir(dist);
  const size = { ...SMALL, files: Math.ceil(SMALL.files / 5) };
  await writeFiles(dist, size, range(size.files));
  const near = places.map((place) => ({ ...place.near, hostKey: place.hostKey }));
  const far = places.map((place) => ({ ...place.far, hostKey: place.hostKey }));
  say(`\n${places.length} hosts: ${size.files} files of ${size.bytes} bytes`);
  await race("direct, first deploy", "1.30 × as many tar in parallel", [
    ["ours", (round) => ourDeploy(near, { path: join(MOUNT, `fleet-${round}`), folder })],
    [
      "tar",
      (round) =>
        Promise.all(
          places.map((place, index) =>
            tar(place.near, [dist, join(MOUNT, `tar-${round}-${index}`)]),
          ),
        ),
    ],
  ]);
  await rm(dist, { recursive: true });
  await mkdir(dist);
  await writeFiles(dist, FEW, range(FEW.files));
  await race("25 ms, 20 files", "3.00 × one host", [
    ["ours", (round) => ourDeploy(far, { path: join(MOUNT, `few-${round}`), folder })],
    [
      "one host",
      (round) => ourDeploy(far.slice(0, 1), { path: join(MOUNT, `one-${round}`), folder }),
    ],
  ]);
  await rm(folder, { recursive: true });
}

async function main(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const first = await startPlace({ index: 0, base }, undefined, stack);
  await compare("small", SMALL, first);
  await compare("large", LARGE, first);
  const places: Place[] = [first];
  while (places.length < FLEET) {
    places.push(await startPlace({ index: places.length, base }, first.sandbox, stack));
  }
  await fleet(places);
}

await main();
