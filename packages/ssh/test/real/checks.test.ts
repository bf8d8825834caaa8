import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CheckResult, secret } from "@lockstep/plugin";
import { startSshd } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SshOptions } from "../../src/index.ts";
import { Shop, startHost, type TestHost } from "../world.ts";

const ONE = "20261121T101500Z-00000001";

let host: TestHost;
let service: Server;
let port: number;
beforeAll(async () => {
  host = await startHost("dash");
  service = createServer((request, response) => {
    if (request.url === "/endless") {
      response.write("x".repeat(100_000));
      return; // never ends
    }
    if (request.url === "/json") {
      response.end(JSON.stringify({ build: { release: ONE, count: 3 }, ok: true }));
      return;
    }
    response.statusCode = request.url === "/broken" ? 503 : 200;
    response.end(`release=${ONE} host=${request.headers.host}`);
  });
  service.listen(0, "127.0.0.1");
  await once(service, "listening");
  ({ port } = service.address() as { port: number });
});
afterAll(async () => {
  service.closeAllConnections();
  service.close();
  await host[Symbol.asyncDispose]();
});

/** Deploys with one check, and asks it. */
async function ask(
  check: NonNullable<SshOptions["checks"]>[number],
  options: Partial<SshOptions> = {},
): Promise<CheckResult> {
  await using shop = await Shop.open(host, { ...options, checks: [check] });
  await shop.build({ "index.html": "one" });
  await shop.fence();
  const steps = await shop.plan(ONE);
  for (const step of steps.slice(0, 2)) await shop.apply(step);
  const planned = steps.find(({ phase }) => phase === "verify");
  const handler = shop.target.checks?.find(({ kind }) => kind === planned?.kind);
  if (planned === undefined || handler === undefined) throw new Error("no check is planned");
  return await handler.check(planned.input, shop.context({ env: { TOKEN: "s3cr3t value" } }));
}

describe("an HTTP check", () => {
  it("reaches a port that only the host can reach", async () => {
    expect(await ask({ http: `http://127.0.0.1:${port}/` })).toEqual({
      status: "pass",
      wanted: "200",
      found: "200",
    });
  });

  it("wants the live release named where the body is to name it", async () => {
    const http = `http://localhost:${port}/`;

    expect(await ask({ http, body: "release={release} host=localhost" })).toMatchObject({
      status: "pass",
    });
    expect(await ask({ http, body: "{release}0" })).toEqual({
      status: "fail",
      wanted: `200 with ${ONE}0`,
      found: `200 with release=${ONE} host=localhost:${port}`,
    });
  });

  it("wants fields of a JSON body to be what they are to be", async () => {
    const http = `http://127.0.0.1:${port}/json`;
    const json = { "build.release": "{release}", "build.count": "3", ok: "true" };

    expect(await ask({ http, json })).toMatchObject({ status: "pass" });
    expect(await ask({ http, json: { "build.release": "old", "build.none": "x" } })).toEqual({
      status: "fail",
      wanted: '200 with {"build.release":"old","build.none":"x"}',
      found: `200 with build.release ${ONE}, build.none missing`,
    });
    expect(
      await ask({ http: `http://127.0.0.1:${port}/`, json: { release: "{release}" } }),
    ).toMatchObject({ status: "fail", found: "200 with release missing" });
  });

  it("fails on another status, and on a port where nobody listens", async () => {
    expect(await ask({ http: `http://127.0.0.1:${port}/broken` })).toMatchObject({
      status: "fail",
      found: "503",
    });
    expect(await ask({ http: "http://127.0.0.1:1/" })).toMatchObject({
      status: "fail",
      found: "no connection",
    });
  });

  it("reads no more of a body than it has to", async () => {
    const http = `http://127.0.0.1:${port}/endless`;

    expect(await ask({ http, body: "xxx" })).toMatchObject({ status: "pass" });
  });

  it("says so when the server forwards nothing", async () => {
    const folder = await mkdtemp(join(tmpdir(), "lockstep-forward-"));
    const config = ["AllowTcpForwarding no"];
    await using sshd = await startSshd({ folder, user: host.server.user, config });
    const hosts = [{ name: "web-1", address: sshd.address, port: sshd.port, user: sshd.user }];
    const { identity, knownHosts } = sshd;

    await expect(
      ask({ http: `http://127.0.0.1:${port}/` }, { hosts, identity, knownHosts }),
    ).rejects.toMatchObject({ code: "SSH_TUNNEL_DENIED" });
    await rm(folder, { recursive: true });
  });
});

describe("a command check", () => {
  it("runs in the live release, with the variables of the target", async () => {
    const command = ["sh", "-c", 'test -f index.html && test "$TOKEN" = "s3cr3t value"'];

    expect(await ask({ command }, { env: { TOKEN: secret("TOKEN") } })).toEqual({
      status: "pass",
      wanted: "status 0",
      found: "status 0",
    });
  });

  it("gets its words as they are", async () => {
    const word = "a  b'\n$(touch evil)\"*";

    expect(await ask({ command: ["sh", "-c", `[ "$1" = "$2" ]`, "sh", word, word] })).toMatchObject(
      { status: "pass" },
    );
    expect(await ask({ command: ["printf", "%s", word] })).toMatchObject({
      found: 'status 0: $(touch evil)"*',
    });
  });

  it("fails with any other status and shows the last line", async () => {
    expect(await ask({ command: ["sh", "-c", "echo one; echo two; exit 3"] })).toEqual({
      status: "fail",
      wanted: "status 0",
      found: "status 3: two",
    });
    expect(await ask({ command: ["no-such-program"] })).toMatchObject({
      status: "fail",
      found: expect.stringMatching(/^status 127: .*not found/),
    });
  });
});
