import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../machine.ts";
import { verdictOf } from "../verdict.ts";
import { Shop, startHost, type TestHost } from "../world.ts";

const ONE = "20261121T101500Z-00000001";
const TWO = "20261121T101501Z-00000002";

/** Starts the service of the live release, where the supervisor says, and writes its number down. */
const SUPERVISOR = `
stop() { [ ! -f ../../app.pid ] || { read -r pid <../../app.pid; kill "$pid" 2>/dev/null; sleep 0.3; }; }
start() { cd "$1" && "$NODE" server.js "$PORT" </dev/null >/dev/null 2>&1 & echo $! >../../app.pid; sleep 1; }
. ./supervisor.sh`;

/** Says which release it is; a text in place of LATER makes it do something later. */
const server = (later = ""): string => `
const { basename } = require("node:path");
require("node:http").createServer((_, response) => {
  response.setHeader("connection", "close");
  response.end(JSON.stringify({ release: basename(process.cwd()) }));
}).listen(Number(process.argv[2]), "127.0.0.1");
${later}`;

const GOOD = 'stop; start "$(pwd -P)"';

/** What a new release does wrong, and the check that sees it. */
const FAULTS = [
  [
    "crashes five seconds after its start",
    { later: "setTimeout(() => process.exit(1), 5000);", start: GOOD },
  ],
  [
    "is started again and again",
    {
      later: "setTimeout(() => process.exit(1), 2500);",
      start:
        'stop; (while :; do (start "$(pwd -P)"; wait); sleep 2.5; done </dev/null >/dev/null 2>&1 & echo $! >../../loop.pid); sleep 1',
    },
  ],
  [
    "comes up in the folder of the one before",
    { later: "", start: `stop; start "$(cd "../releases/${ONE}" && pwd -P)"` },
  ],
  ["leaves the port to the old process", { later: "", start: "sleep 0.1" }],
] as const;

describe("a service that", { timeout: 90_000 }, () => {
  let host: TestHost;
  beforeAll(async () => {
    host = await startHost("dash");
  });
  afterAll(async () => host[Symbol.asyncDispose]());

  it.concurrent.each(FAULTS)("%s is caught and put back", async (_, { later, start }) => {
    const port = await freePort();
    const until = { successes: 2, intervalMs: 200, deadlineMs: 4000 };
    await using shop = await Shop.open(host, {
      env: { NODE: process.execPath, PORT: `${port}` },
      restart: ["sh", "-c", SUPERVISOR],
      checks: [
        { http: `http://127.0.0.1:${port}/`, json: { release: "{release}" }, until, soakMs: 6500 },
        { process: { pidFile: "app.pid" }, until, soakMs: 6500 },
      ],
    });
    const ask = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/`)).text();
    await shop.deploy(ONE, { "server.js": server(), "supervisor.sh": GOOD });
    expect(await ask()).toContain(ONE);
    await shop.build({ "server.js": server(later), "supervisor.sh": start });
    const steps = await shop.plan(TWO);
    const [upload, activate] = steps;
    if (upload === undefined || activate === undefined) throw new Error("nothing is planned");
    await shop.apply(upload);
    const before = await shop.apply(activate);
    const checks = steps.filter(({ phase }) => phase === "verify");
    const verdicts = await Promise.all(checks.map(async (step) => verdictOf(shop, step)));

    expect(verdicts).toContain("fail");
    const kill = 'if [ -f "$P/loop.pid" ]; then kill "$(cat "$P/loop.pid")"; fi';
    await shop.connection.hosts[0]?.run(shop.context(), { text: kill, values: { P: shop.path } });
    expect(await shop.revert(activate, before)).toBe("restored");
    expect(await ask()).toContain(ONE);
  });
});
