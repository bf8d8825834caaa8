import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type FaultProxy, startFaultProxy } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Ended, ended, type Rig, startRig, type TestHost } from "./rig.ts";

/** Releases by their one name on every host; each with the files it must have. */
const releases = new Map<string, ReadonlyMap<string, string>>();
const CUTS = 7;

let rig: Rig;
let proxy: FaultProxy;
let editions = 0;
let expected: ReadonlyMap<string, string>;

beforeAll(async () => {
  rig = await startRig();
  proxy = await startFaultProxy({ host: "127.0.0.1", port: second().sshd.port });
  const far: TestHost = { ...second(), sshd: { ...second().sshd, port: proxy.port } };
  // All releases stay: one that is being removed is not whole, and is nobody's.
  await rig.configure("keep: 100", rig.hosts.with(1, far));
  await nextEdition();
  await mustBeLive(await deploy());
}, 60_000);

afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
}, 120_000);

function second(): TestHost {
  const host = rig.hosts[1];
  if (host === undefined) throw new Error("no second host");
  return host;
}

/** Files that do not compress, so that a cut at a part of the upload leaves that part of the files. */
async function nextEdition(): Promise<void> {
  editions += 1;
  const noise = (name: string, bytes: number): Buffer =>
    Buffer.concat(
      Array.from({ length: Math.ceil(bytes / 64) }, (_, block) =>
        createHash("sha512").update(`${editions} ${name} ${block}`).digest(),
      ),
    ).subarray(0, bytes);
  const files = new Map<string, string>();
  await mkdir(join(rig.build, "assets"), { recursive: true });
  for (const [index, bytes] of [0, 1, 511, 512, 513, 1024, 40_000, 100_000, 5000].entries()) {
    const name = index % 2 === 0 ? `part-${index}.bin` : `assets/part-${index}.bin`;
    const content = noise(name, bytes);
    await writeFile(join(rig.build, name), content);
    files.set(name, digestOf(content));
  }
  expected = files;
}

function digestOf(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

const deploy = (): Promise<Ended> => rig.lockstep("deploy", "-e", "production", "-y");

/** Names the newest release as the one of this edition. */
async function mustBeLive({ exit, stdout, stderr }: Ended): Promise<void> {
  expect(exit, stderr).toBe(0);
  releases.set(stdout.trim(), expected);
  expect(await rig.links()).toEqual(rig.hosts.map(() => `releases/${stdout.trim()}`));
}

/** What every host serves and keeps. */
interface Seen {
  readonly links: Awaited<ReturnType<Rig["links"]>>;
  readonly kept: Awaited<ReturnType<Rig["kept"]>>;
}

const see = async (): Promise<Seen> => ({ links: await rig.links(), kept: await rig.kept() });

async function mustBeAsBefore(before: Seen): Promise<void> {
  expect(await see()).toEqual(before);
}

/** What is wrong with releases that a host calls complete. */
async function brokenOn({ root }: TestHost): Promise<string[]> {
  const meta = join(root, ".lockstep/meta");
  const found = await Promise.all(
    (await readdir(meta)).map(async (id) => {
      const broken = (await isReady(root, id))
        ? await damageOf(join(root, "releases", id), id)
        : [];
      // A release that is put back loses its tree first: then it was not for anybody.
      return broken.length > 0 && (await isReady(root, id)) && (await hasTree(root, id))
        ? broken.map((name) => `${id}/${name}`)
        : [];
    }),
  );
  return found.flat();
}

const hasTree = async (root: string, id: string): Promise<boolean> =>
  (await readdir(join(root, "releases"))).includes(id);

async function isReady(root: string, id: string): Promise<boolean> {
  const state = await readFile(join(root, ".lockstep/meta", id, "state"), "utf8").catch(() => "");
  return state === "ready\n";
}

/** Files that are missing, short, changed or too many. */
async function damageOf(tree: string, id: string): Promise<string[]> {
  const wanted = releases.get(id) ?? expected;
  const entries = await readdir(tree, { recursive: true, withFileTypes: true }).catch(() => []);
  const names = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(tree.length + 1));
  const digests = await Promise.all(
    [...wanted.keys()].map(async (name) => {
      const content = await readFile(join(tree, name)).catch(() => undefined);
      return content !== undefined && digestOf(content) === wanted.get(name) ? [] : [name];
    }),
  );
  return [...digests.flat(), ...names.filter((name) => !wanted.has(name))];
}

/** Deploys, and looks all the time at what the host behind the proxy calls complete. */
async function deployWatched(): Promise<{ readonly end: Ended; readonly broken: string[] }> {
  const broken: string[] = [];
  const running = { now: true };
  const end = ended(rig.start("deploy", "-e", "production", "-y")).finally(() => {
    running.now = false;
  });
  while (running.now) {
    broken.push(...(await brokenOn(second())));
    await sleep(5);
  }
  return { end: await end, broken };
}

/** Bytes that a plan and a whole deploy need, both ways. */
async function bytesOf(): Promise<Readonly<Record<"plan" | "deploy", FaultProxy["transferred"]>>> {
  await nextEdition();
  const plan = await bytesDuring(() => rig.lockstep("plan", "-e", "production"));
  return { plan, deploy: await bytesDuring(async () => mustBeLive(await deploy())) };
}

async function bytesDuring(act: () => Promise<unknown>): Promise<FaultProxy["transferred"]> {
  const { up, down } = { ...proxy.transferred };
  await act();
  return { up: proxy.transferred.up - up, down: proxy.transferred.down - down };
}

describe("a connection that is cut", () => {
  it.each(["up", "down"] as const)(
    "at any place on its way %s leaves no complete release with a missing or short file, and no mix",
    async (direction) => {
      const { plan, deploy: all } = await bytesOf();
      const told: string[] = [];
      const step = (all[direction] - plan[direction]) / CUTS;
      const later = Array.from({ length: CUTS }, (_, cut) => plan[direction] + step * (cut + 0.5));
      for (const position of [plan[direction] / 2, ...later].map(Math.floor)) {
        const before = await see();
        await nextEdition();

        proxy.cutAfter(direction, position);
        const start = proxy.transferred[direction];
        const { end, broken } = await deployWatched();
        proxy.heal();

        expect(proxy.transferred[direction] - start).toBeGreaterThanOrEqual(position);
        told.push(`${position}: ${end.exit}`);
        expect(broken).toEqual([]);
        expect([0, 21, 30, 31], `cut after ${position} bytes\n${end.stderr}`).toContain(end.exit);
        await (end.exit === 0 ? mustBeLive(end) : mustBeAsBefore(before));
        expect(await Promise.all(rig.hosts.map(brokenOn))).toEqual([[], [], []]);
      }
      process.stdout.write(`cut ${direction} after bytes: exit ${told.join(", ")}\n`);
    },
    90_000,
  );

  it("during an upload, and does not come back before somebody stops the run, is put in order by recover", async () => {
    const { deploy: all } = await bytesOf();
    const half = Math.floor(all.up / 2);
    const before = await see();
    await nextEdition();
    const start = proxy.transferred.up;

    proxy.cutAfter("up", half);
    const child = rig.start("deploy", "-e", "production", "-y");
    const end = ended(child);
    await until(() => proxy.transferred.up - start > 2000); // connected
    proxy.refuse(true);
    await until(() => proxy.transferred.up - start >= half);
    await sleep(500);
    child.kill("SIGTERM");
    const { exit, stderr } = await end;
    const { links, kept } = await see();
    proxy.heal();
    const recovered = await rig.lockstep("recover", "-e", "production");

    expect([exit, stderr]).toEqual([
      32,
      expect.stringMatching(/SSH_HOST_UNREACHABLE {2}web web-2/),
    ]);
    expect(links).toEqual(before.links);
    expect(kept.toSpliced(1, 1)).toEqual(before.kept.toSpliced(1, 1));
    expect(recovered.exit, recovered.stderr).toBe(0);
    await mustBeAsBefore(before);
    await mustBeLive(await deploy());
  }, 120_000);
});

async function until(is: () => boolean): Promise<void> {
  for (let tries = 0; tries < 10_000; tries += 1) {
    if (is()) return;
    await sleep(1);
  }
  throw new Error("it never came to that");
}
