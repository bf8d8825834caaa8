import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, readlink, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PlannedStep, TargetPlan } from "@lockstep/plugin";
import { type SandboxSsh, startSandboxSsh } from "@lockstep/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Shop } from "../world.ts";

const ONE = "20261121T101500Z-00000001";
const TWO = "20261121T101501Z-00000002";

/** Two hosts on one machine: each sees a folder of its own under /mnt. */
const OWN_MNT = 'mount --bind "$DISK" /mnt && exec /bin/sh -c "$0"';

let root: string;
let servers: SandboxSsh[];
let agent: number;
let env: Readonly<Record<string, string>>;
let shop: Shop;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "lockstep-hosts-"));
  servers = [await startHost("a"), await startHost("b")];
  // each lets in a key of its own
  env = { SSH_AUTH_SOCK: join(root, "agent") };
  const said = execFileSync("ssh-agent", ["-s", "-a", join(root, "agent")]).toString();
  agent = Number(/SSH_AGENT_PID=(\d+)/.exec(said)?.[1]);
  for (const { identity } of servers) {
    execFileSync("ssh-add", ["-q", identity], { env: { ...env }, stdio: "ignore" });
  }
  shop = await openShop();
});
afterEach(async () => {
  await shop[Symbol.asyncDispose]();
  process.kill(agent);
  for (const server of servers) await server[Symbol.asyncDispose]();
  await rm(root, { recursive: true });
});

async function startHost(name: string): Promise<SandboxSsh> {
  const DISK = join(root, name, "disk");
  await mkdir(DISK, { recursive: true });
  const shell = ["unshare", "-m", "/bin/sh", "-c", OWN_MNT];
  return startSandboxSsh({ folder: join(root, name), shell, env: { DISK } });
}

function openShop(): Promise<Shop> {
  const [server] = servers;
  if (server === undefined) throw new Error("no server");
  const hosts = servers.map(({ address, port, user, hostKey }, index) => ({
    name: "ab".charAt(index),
    address,
    port,
    user,
    hostKey,
  }));
  const world = { server, root, [Symbol.asyncDispose]: async () => {} };
  return Shop.open(world, { hosts, path: "/mnt/shop", agent: true, identity: server.identity });
}

async function planFor(release: string): Promise<TargetPlan> {
  const { unit: _, ...everywhere } = shop.context({ env });
  const request = { kind: "deploy", release: { id: release, createdAt: "" } } as const;
  return shop.target.plan(request, { ...everywhere, outputs: () => undefined });
}

/** Stages and activates what is planned, on all hosts or on one. */
async function deploy(release: string, text: string, only?: string): Promise<TargetPlan> {
  await shop.build({ "index.html": text });
  const { unit: _, ...everywhere } = shop.context({ env });
  await shop.target.fence?.(everywhere.stamp, everywhere);
  const plan = await planFor(release);
  const isWanted = ({ phase, unit }: PlannedStep): boolean =>
    (phase === "stage" || phase === "activate") && (only === undefined || unit === only);
  for (const step of plan.steps.filter(isWanted)) {
    await shop.apply(step, { env, ...(step.unit === undefined ? {} : { unit: step.unit }) });
  }
  shop.epoch += 1;
  return plan;
}

const seen = (name: string): Promise<string> =>
  readFile(join(root, name, "disk/shop/current/index.html"), "utf8");

describe("a target of several hosts", { timeout: 120_000 }, () => {
  it("puts the release on each of them", async () => {
    const { steps, outputs } = await deploy(ONE, "one");

    expect(steps.map(({ id }) => id)).toEqual([
      "upload:a",
      "upload:b",
      "activate:a",
      "activate:b",
      "prune:a",
      "prune:b",
    ]);
    expect(outputs).toMatchObject({ release: ONE, digest: expect.stringMatching(/^sha256:/) });
    expect([await seen("a"), await seen("b")]).toEqual(["one", "one"]);
  });

  it("says once what changes where the hosts agree", async () => {
    await deploy(ONE, "one");
    await shop.build({ "index.html": "two" });

    expect((await planFor(TWO)).changes).toMatchObject([
      { action: "change", what: "index.html", reason: "content" },
    ]);
    expect((await planFor(TWO)).changes.map(({ unit }) => unit)).toEqual([undefined]);
  });

  it("says host by host what changes where they differ, and leaves alone what is right", async () => {
    await deploy(ONE, "one");
    await deploy(TWO, "two", "a");

    const { changes, unchanged, steps } = await planFor("20261121T101502Z-00000003");

    expect(changes.map(({ action, unit }) => `${action} ${unit}`)).toEqual(["change b"]);
    expect(unchanged).toBe(1);
    expect(new Set(steps.map(({ unit }) => unit))).toEqual(new Set(["b"]));
    expect([await seen("a"), await seen("b")]).toEqual(["two", "one"]);
  });

  it("tells what is wrong with every host, not only with the first", async () => {
    await shop.build();
    for (const name of ["a", "b"]) {
      await mkdir(join(root, name, "disk/shop"));
      await symlink("elsewhere", join(root, name, "disk/shop/current"));
    }

    const failure = (await planFor(ONE).catch((error: unknown) => error)) as AggregateError;

    expect(failure.errors).toMatchObject([
      { code: "SSH_CURRENT_FOREIGN", unit: "a" },
      { code: "SSH_CURRENT_FOREIGN", unit: "b" },
    ]);
    expect(await readlink(join(root, "a", "disk/shop/current"))).toBe("elsewhere");
  });

  it("puts a host back while another one is gone", async () => {
    await deploy(ONE, "one");
    const { steps } = await deploy(TWO, "two");
    shop.epoch -= 1;
    const [, gone] = servers;
    await gone?.[Symbol.asyncDispose]();
    const revert = (unit: string) => {
      const step = steps.find(({ id }) => id === `activate:${unit}`);
      if (step === undefined) throw new Error("not planned");
      return shop.revert(step, { previous: `releases/${ONE}` }, { env, unit });
    };

    await expect(revert("b")).rejects.toMatchObject({
      code: expect.stringMatching(/^SSH_(HOST_UNREACHABLE|CONNECTION_LOST)$/),
      unit: "b",
    });
    expect(await revert("a")).toBe("restored");
    expect(await seen("a")).toBe("one");
  });
});
