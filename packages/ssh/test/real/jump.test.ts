import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { makeKeyPair, type Sshd, startSshd } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SshHostOptions, SshOptions } from "../../src/index.ts";
import { Shop, startHost, type TestHost } from "../world.ts";

const TRANSPORTS = ["ssh2", "openssh"] as const;

let host: TestHost;
let folder: string;
let outer: Sshd;
let inner: Sshd;
beforeAll(async () => {
  host = await startHost("dash");
  folder = await mkdtemp(join(tmpdir(), "lockstep-jump-"));
  await chmod(folder, 0o755);
  outer = await startJump("outer");
  inner = await startJump("inner");
});
afterAll(async () => {
  await outer[Symbol.asyncDispose]();
  await inner[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** Lets in whoever may log in to the host. */
async function startJump(name: string, config: readonly string[] = []): Promise<Sshd> {
  const authorized = join(dirname(host.server.identity), "../authorized_keys");
  const lines = [`AuthorizedKeysFile ${authorized}`, ...config];
  return startSshd({ folder: join(folder, name), user: host.server.user, config: lines });
}

const at = ({ address, port, user }: Sshd): SshHostOptions => ({ address, port, user });

let files = 0;

/** A file that knows these servers. */
async function knowing(...servers: readonly { port: number; hostKey: string }[]): Promise<string> {
  files += 1;
  const path = join(folder, `known-${files}`);
  const lines = servers.map(({ port, hostKey }) => `[127.0.0.1]:${port} ${hostKey}\n`);
  await writeFile(path, lines.join(""));
  return path;
}

async function look(options: Partial<SshOptions>): Promise<unknown> {
  await using shop = await Shop.open(host, options);
  try {
    return (await shop.target.live(shop.context())).map(({ ref }) => ref);
  } catch (error) {
    return error instanceof AggregateError ? error.errors[0] : error;
  }
}

/** A port that leads to a server, and how often it was used. */
async function counted({ port }: { readonly port: number }): Promise<{
  readonly port: number;
  readonly count: () => number;
  stop(): void;
}> {
  let count = 0;
  const server = createServer((client) => {
    count += 1;
    const remote = connect(port, "127.0.0.1");
    client.pipe(remote).pipe(client);
    for (const socket of [client, remote]) {
      socket.on("error", () => socket.destroy());
      socket.on("close", () => (socket === client ? remote : client).destroy());
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    count: () => count,
    stop: () => void server.close(),
  };
}

describe.each(TRANSPORTS)("a host behind jump hosts, over %s,", (transport) => {
  it("is deployed to", async () => {
    const knownHosts = await knowing(outer, inner, host.server);
    const jump = [at(outer), at(inner)];
    await using shop = await Shop.open(host, { transport, jump, knownHosts });

    await shop.deploy("20261121T101500Z-00000001", { "index.html": "one" });

    expect(await shop.observe()).toMatchObject({ files: { "index.html": "one" } });
  });

  it("is found through ssh_config", async () => {
    const config = join(folder, "config");
    const { port, user } = host.server;
    await writeFile(
      config,
      [
        `UserKnownHostsFile ${await knowing(outer, host.server)}`,
        `IdentityFile ${host.server.identity}`,
        "Host shop",
        `  HostName 127.0.0.1\n  Port ${port}\n  User ${user}\n  ProxyJump way`,
        "Host way",
        `  HostName 127.0.0.1\n  Port ${outer.port}\n  User ${user}`,
        "",
      ].join("\n"),
    );
    const hosts = [{ name: "web-1", address: "shop" }];

    const bare: object = { identity: undefined, knownHosts: undefined };
    expect(await look({ transport, hosts, sshConfig: config, ...bare })).toEqual([null]);
  });

  it("is not reached when the key of a jump host is unknown, changed or not the pinned one", async () => {
    const pinned = { ...at(outer), hostKey: makeKeyPair().public };
    const other = { port: outer.port, hostKey: makeKeyPair().public };
    const unknown = await knowing(host.server);
    const changed = await knowing(other, host.server);
    const known = await knowing(outer, host.server);

    for (const [options, code] of [
      [{ jump: at(outer), knownHosts: unknown }, "SSH_HOST_KEY_UNKNOWN"],
      [{ jump: at(outer), knownHosts: changed }, "SSH_HOST_KEY_CHANGED"],
      [{ jump: pinned, knownHosts: known }, "SSH_HOST_KEY_CHANGED"],
    ] as const) {
      expect(await look({ transport, ...options })).toMatchObject({ code, unit: "web-1" });
    }
  });

  it("shares the way there with the other hosts behind it", async () => {
    const door = await counted(outer);
    const way = { ...at(outer), port: door.port, hostKey: outer.hostKey };
    const { address, port, user, hostKey } = host.server;
    const hosts = Array.from({ length: 6 }, (_, index) => ({
      name: `web-${index + 1}`,
      address,
      port,
      user,
      hostKey,
    }));
    await using shop = await Shop.open(host, { transport, hosts, jump: way });
    const { unit: _, ...everywhere } = shop.context();

    expect(await shop.target.live(everywhere)).toHaveLength(6);
    // each ssh program makes the way for itself
    expect(door.count()).toBe(transport === "ssh2" ? 1 : 6);
    door.stop();
  });

  it("is not asked again, nor is its jump host, with a key that was refused", async () => {
    const identity = join(folder, "stranger");
    await writeFile(identity, makeKeyPair().private, { mode: 0o600 });
    const door = await counted(outer);
    const way = { ...at(outer), port: door.port, hostKey: outer.hostKey };
    const { address, port, user, hostKey } = host.server;
    const hosts = ["a", "b", "c", "d"].map((name) => ({ name, address, port, user, hostKey }));
    await using shop = await Shop.open(host, { transport, hosts, jump: way, identity });
    const { unit: _, ...everywhere } = shop.context();

    for (const round of ["first", "second"]) {
      const failure = await shop.target.live(everywhere).catch((error: unknown) => error);
      const { errors } = failure as AggregateError;
      expect(errors, round).toMatchObject(
        hosts.map(({ name }) => ({
          code: "SSH_AUTH_FAILED",
          unit: name,
          retryable: false,
          message: expect.stringContaining("the jump host"),
        })),
      );
    }
    expect(door.count()).toBe(1);
    door.stop();
  });
});

describe.each(TRANSPORTS)("one of two hosts behind a jump host, over %s,", (transport) => {
  it("that refuses a key does not keep the other from being used", async () => {
    await using stern = await startSshd({ folder: join(folder, `stern-${transport}`) });
    const way = { ...at(outer), hostKey: outer.hostKey };
    const hosts = [
      { ...at(stern), name: "a", hostKey: stern.hostKey },
      { ...at(host.server as Sshd), name: "b", hostKey: host.server.hostKey },
    ];
    await using shop = await Shop.open(host, { transport, hosts, jump: way });
    const { unit: _, ...everywhere } = shop.context();

    for (const round of ["first", "second"]) {
      const failure = await shop.target.live(everywhere).catch((error: unknown) => error);
      const { errors } = failure as AggregateError;
      expect(errors, round).toMatchObject([
        { code: "SSH_AUTH_FAILED", unit: "a", message: expect.stringContaining(`${stern.port}`) },
      ]);
    }
    expect(await shop.target.live({ ...everywhere, unit: "b" })).toMatchObject([{ unit: "b" }]);
  });
});

describe("a server that allows little", () => {
  it("is used all the same when it allows one session per connection", async () => {
    await using tight = await startJump("tight", ["MaxSessions 1"]);
    const hosts = [{ name: "web-1", ...at(tight), hostKey: tight.hostKey }];
    await using shop = await Shop.open(host, { hosts });

    await shop.deploy("20261121T101500Z-00000001", { "index.html": "one" });

    expect(await shop.observe()).toMatchObject({ files: { "index.html": "one" } });
  });

  it("is asked again when it hangs up on too many callers", async () => {
    await using tight = await startJump("starts", ["MaxStartups 2:50:4"]);
    const hosts = Array.from({ length: 12 }, (_, index) => ({
      name: `web-${index + 1}`,
      ...at(tight),
      hostKey: tight.hostKey,
    }));
    await using shop = await Shop.open(host, { hosts });
    const { unit: _, ...everywhere } = shop.context();

    expect(await shop.target.live(everywhere)).toHaveLength(12);
  });
});
