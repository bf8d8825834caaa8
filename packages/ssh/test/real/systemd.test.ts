import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SshOptions } from "../../src/index.ts";
import { freePort, type Machine, NODE, startMachine } from "../machine.ts";
import { verdictOf } from "../verdict.ts";
import { Shop } from "../world.ts";

const ONE = "20261121T101500Z-00000001";
const TWO = "20261121T101501Z-00000002";

/** A unit that systemd starts again whenever it ends. */
const UNIT = `
[Service]
WorkingDirectory=/srv/shop/current
EnvironmentFile=/etc/port
ExecStart=/bin/sh run.sh
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=100ms
StartLimitIntervalSec=0
`;

/** One whose children outlive it. */
const CARELESS = `${UNIT}KillMode=process\n`;

/** Says which release it is; `onReload` is what it does when it is told to reload. */
const server = (onReload: string, later = ""): string => `
const { basename } = require("node:path");
process.on("SIGHUP", () => ${onReload});
require("node:http").createServer((_, response) => {
  response.setHeader("connection", "close");
  response.end(JSON.stringify({ pid: process.pid, release: basename(process.cwd()) }));
}).listen(Number(process.env.PORT), "127.0.0.1");
${later}
`;

/** Moves to the live release. */
const MOVES = 'process.chdir("/srv/shop/current")';
const STAYS = "undefined";

const START = `exec ${NODE} server.js\n`;

/** Files of a release. */
type Files = Readonly<Record<string, string>>;

const GOOD: Files = { "server.js": server(MOVES), "run.sh": START };

/** Which units it is tried with, and how they are told of a new release. */
interface Way {
  readonly unit?: "shop" | "careless";
  readonly action: "restart" | "reload" | "reload-or-restart";
  readonly soakMs?: number;
  readonly one?: Files;
  readonly two: Files;
}

const HTTP = "ssh.check-http/1";
const PROCESS = "ssh.check-process/1";

/** What a new release does wrong, and the checks that see it. */
const FAULTS: readonly (readonly [string, Way, readonly string[]])[] = [
  [
    "crashes five seconds after its start, and is started again",
    {
      action: "restart",
      soakMs: 6000,
      two: { ...GOOD, "server.js": server(MOVES, "setTimeout(() => process.exit(1), 5000);") },
    },
    [PROCESS],
  ],
  [
    "is restarted in the folder of the one before",
    { action: "restart", two: { ...GOOD, "run.sh": `cd /srv/shop/releases/${ONE} && ${START}` } },
    [HTTP, PROCESS],
  ],
  [
    "stays in the folder of the one before when it is reloaded",
    {
      action: "reload",
      one: { ...GOOD, "server.js": server(STAYS) },
      two: { ...GOOD, "server.js": server(STAYS, "// two") },
    },
    [HTTP, PROCESS],
  ],
  [
    "leaves the port to the old process",
    {
      unit: "careless",
      action: "restart",
      one: { ...GOOD, "run.sh": `${NODE} server.js &\nwhile :; do sleep 1; done\n` },
      two: { ...GOOD, "run.sh": `${NODE} server.js &\nwhile :; do sleep 1; done # two\n` },
    },
    [HTTP],
  ],
];

describe("a systemd unit", { timeout: 60_000 }, () => {
  let machine: Machine;
  let port = 0;
  beforeAll(async () => {
    port = await freePort();
    machine = await startMachine({
      "etc/port": `PORT=${port}\n`,
      "etc/systemd/system/shop.service": UNIT,
      "etc/systemd/system/careless.service": CARELESS,
    });
  }, 60_000);
  afterAll(async () => machine[Symbol.asyncDispose](), 60_000);

  const ask = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/`)).text();

  async function deployOne(systemd: string, files: Files): Promise<void> {
    await using shop = await openShop(machine, { service: { systemd } });
    await shop.build(files);
    await shop.fence();
    const [upload, activate] = await shop.planPair(ONE);
    await shop.apply(upload);
    await shop.apply(activate);
    await expect.poll(ask).toContain(ONE);
  }

  /** Deploys one release, then another; tells which checks of that one fail, and sees that the first comes back. */
  async function failedBy(way: Way): Promise<readonly string[]> {
    const { unit = "shop", action, soakMs = 0, one = GOOD, two } = way;
    const systemd = `${unit}.service`;
    await deployOne(systemd, one);
    const until = { successes: 2, intervalMs: 200, deadlineMs: 3000 };
    await using shop = await openShop(machine, {
      service: { systemd, action },
      checks: [
        { http: `http://127.0.0.1:${port}/`, json: { release: "{release}" }, until },
        { process: { systemd }, until, soakMs },
      ],
    });
    await shop.build(two);
    const [upload, activate, ...rest] = await shop.plan(TWO);
    if (upload === undefined || activate === undefined) throw new Error("nothing is planned");
    await shop.apply(upload);
    const before = await shop.apply(activate);
    const checks = rest.filter(({ phase }) => phase === "verify");
    const verdicts = await Promise.all(checks.map(async (step) => verdictOf(shop, step)));

    expect(await shop.revert(activate, before)).toBe("restored");
    await expect.poll(ask).toContain(ONE);
    await clear(shop, systemd);
    return checks.map(({ kind }) => kind).filter((_, index) => verdicts[index] === "fail");
  }

  /** What a careless unit leaves behind is asked who it is. */
  async function clear(shop: Shop, systemd: string): Promise<void> {
    const { pid } = JSON.parse(await ask()) as { readonly pid: number };
    await shop.connection.hosts[0]?.run(shop.context(), {
      text: 'systemctl stop "$UNIT"; kill -9 "$PID" 2>/dev/null; rm -rf "$P"',
      values: { UNIT: systemd, PID: `${pid}`, P: shop.path },
    });
  }

  it.each(["restart", "reload", "reload-or-restart"] as const)(
    "that follows a %s passes every check, and comes back",
    async (action) => {
      const two = { ...GOOD, "server.js": server(MOVES, "// two") };

      expect(await failedBy({ action, two })).toEqual([]);
    },
  );

  it.each(FAULTS)("that %s is caught and put back", async (_, way, kinds) => {
    expect(await failedBy(way)).toEqual(kinds);
  });
});

function openShop(machine: Machine, options: Partial<SshOptions>): Promise<Shop> {
  const { port, identity, hostKey } = machine;
  const web = { address: "127.0.0.1", port, user: "root", hostKey };
  const dispose = async (): Promise<void> => {};
  const end = { [Symbol.asyncDispose]: dispose };
  const login = { ...web, ...end, identity, knownHosts: "/dev/null", folder: "/" };
  const hosts = [{ name: "web-1", ...web }];
  return Shop.open(
    { server: login, root: "/srv", ...end },
    { hosts, path: "/srv/shop", ...options },
  );
}
