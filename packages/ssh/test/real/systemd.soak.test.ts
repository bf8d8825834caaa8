import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeKeyPair } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SshOptions, SshServiceOptions } from "../../src/index.ts";
import { Shop } from "../world.ts";

const ONE = "20261121T101500Z-00000001";
const TWO = "20261121T101501Z-00000002";
const MIRROR = "http://deb.debian.org/debian";

const UNIT = `
[Service]
WorkingDirectory=/srv/shop/current
ExecStart=/bin/sh run.sh
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=100ms
StartLimitIntervalSec=0
`;

/** Goes on, also when it is told to reload. */
const GOOD = "trap : HUP\nwhile :; do sleep 1; done\n";
/** Is fine at first. */
const LATE = "sleep 5\nexit 1\n";

let root: string;
let machine: ChildProcess | undefined;
let port: number;
let login: { readonly identity: string; readonly hostKey: string };

/** A system of its own with systemd as its first process, which shares the network of this machine. */
async function startMachine(): Promise<void> {
  const tree = join(root, "tree");
  const packages = "systemd,systemd-sysv,dbus,openssh-server";
  execFileSync(
    "debootstrap",
    ["--variant=minbase", `--include=${packages}`, "bookworm", tree, MIRROR],
    {
      stdio: "ignore",
    },
  );
  const [own, theirs] = [makeKeyPair(), makeKeyPair()];
  await mkdir(join(tree, "root/.ssh"), { recursive: true, mode: 0o700 });
  await writeFile(join(tree, "root/.ssh/authorized_keys"), `${own.public}\n`);
  await writeFile(join(tree, "etc/ssh/test_key"), theirs.private, { mode: 0o600 });
  await writeFile(join(root, "identity"), own.private, { mode: 0o600 });
  await writeFile(
    join(tree, "etc/ssh/sshd_config"),
    `Port ${port}\nListenAddress 127.0.0.1\nHostKey /etc/ssh/test_key\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n`,
  );
  await writeFile(join(tree, "etc/systemd/system/shop.service"), UNIT);
  login = { identity: join(root, "identity"), hostKey: theirs.public };
  machine = spawn("systemd-nspawn", ["-q", "--register=no", "--keep-unit", "-D", tree, "-b"], {
    stdio: "ignore",
  });
  await listening();
}

async function listening(): Promise<void> {
  for (let tries = 0; tries < 300; tries += 1) {
    const socket = connect(port, "127.0.0.1");
    const isOpen = await Promise.race([
      once(socket, "data").then(() => true),
      once(socket, "close").then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (isOpen) return;
    await sleep(200);
  }
  throw new Error("the machine does not answer");
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "lockstep-systemd-"));
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  ({ port } = probe.address() as { readonly port: number });
  probe.close();
  await startMachine();
}, 900_000);
afterAll(async () => {
  if (machine === undefined) return;
  machine.kill("SIGTERM");
  await once(machine, "exit");
  await rm(root, { recursive: true, force: true });
}, 120_000);

describe("a systemd unit", { timeout: 120_000 }, () => {
  function openShop(options: Partial<SshOptions>): Promise<Shop> {
    const hosts = [
      { name: "web-1", address: "127.0.0.1", port, user: "root", hostKey: login.hostKey },
    ];
    const server = {
      address: "127.0.0.1",
      port,
      user: "root",
      ...login,
      knownHosts: "/dev/null",
      folder: root,
    };
    const dispose = async (): Promise<void> => {};
    const world = {
      server: { ...server, [Symbol.asyncDispose]: dispose },
      root,
      [Symbol.asyncDispose]: dispose,
    };
    return Shop.open(world, { hosts, identity: login.identity, path: "/srv/shop", ...options });
  }

  /** What the check of the process says after a deploy, and what is live after the way back. */
  async function deploy(
    action: NonNullable<SshServiceOptions["action"]>,
    script: string,
  ): Promise<{ readonly judged: string; readonly live: unknown }> {
    const shop = await openShop({
      service: { systemd: "shop.service", action },
      checks: [{ process: { systemd: "shop.service" }, soakMs: 7000 }],
    });
    await shop.build({ "run.sh": script });
    const steps = await shop.plan(TWO);
    const [upload, activate] = steps;
    const check = steps.find(({ phase }) => phase === "verify");
    const handler = shop.target.checks?.find(({ kind }) => kind === check?.kind);
    if (upload === undefined || activate === undefined || check === undefined)
      throw new Error("no plan");
    await shop.apply(upload);
    const before = await shop.apply(activate);
    const { status = "", found = "" } = (await handler?.check(check.input, shop.context())) ?? {};
    await shop.revert(activate, before);
    await shop.revert(upload, null);
    const [live] = await shop.target.live(shop.context());
    await shop.connection[Symbol.asyncDispose]();
    return { judged: `${status}: ${found.replaceAll(/\d+/g, "N")}`, live: live?.ref };
  }

  beforeAll(async () => {
    const shop = await openShop({ service: { systemd: "shop.service" } });
    await shop.build({ "run.sh": GOOD });
    await shop.fence();
    for (const step of (await shop.plan(ONE)).slice(0, 2)) await shop.apply(step);
    await shop.connection[Symbol.asyncDispose]();
  }, 120_000);

  it("that is restarted runs from the live release, and from the one before after the way back", async () => {
    expect(await deploy("restart", `${GOOD}# two\n`)).toEqual({
      judged: "pass: process N",
      live: expect.objectContaining({ release: ONE }),
    });
  });

  it("that crashes five seconds after its start is caught, although systemd starts it again", async () => {
    expect(await deploy("restart", LATE)).toMatchObject({
      judged: "fail: process N was replaced by N",
      live: { release: ONE },
    });
  });

  it("that stays in the old folder when it is reloaded is caught", async () => {
    expect(await deploy("reload", `${GOOD}# three\n`)).toMatchObject({
      judged: "fail: process N runs in /srv/shop/releases/NTNZ-N",
      live: { release: ONE },
    });
  });
});
