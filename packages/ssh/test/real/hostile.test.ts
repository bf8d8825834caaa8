import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeKeyPair, startSandboxSsh, testContext } from "@lockstep/testkit";
import ssh2 from "ssh2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ssh, type SshOptions } from "../../src/index.ts";

let folder: string;
let identity: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lockstep-hostile-"));
  await using server = await startSandboxSsh({ folder });
  ({ identity } = server);
});
afterAll(async () => rm(folder, { recursive: true }));

const OPTIONS = { path: "/srv/shop", source: "dist", sshConfig: false, connectTimeoutMs: 600 };

/** How looking at a host ends, and how long that took. */
async function look(
  port: number,
  more: Partial<SshOptions> = {},
): Promise<{ readonly failure: unknown; readonly ms: number }> {
  const hosts = [
    { name: "web-1", address: "127.0.0.1", port, user: "deploy", hostKey: KEY.public },
  ];
  const target = ssh({ ...OPTIONS, hosts, identity, ...more });
  await using connection = await target.connect(testContext(undefined));
  const start = performance.now();
  const failure = await target.live(testContext(connection)).catch((error: unknown) => error);
  return { failure: (failure as AggregateError).errors[0], ms: performance.now() - start };
}

const KEY = makeKeyPair();

interface Double extends AsyncDisposable {
  readonly port: number;
  readonly count: () => number;
}

/** A server that only knows TCP. */
async function speaking(talk: (socket: Socket) => unknown): Promise<Double> {
  let count = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    count += 1;
    sockets.add(socket);
    socket.on("error", () => {});
    void talk(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    count: () => count,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

describe.each(["ssh2", "openssh"] as const)("over %s, a server", (transport) => {
  it("that sends its name a byte at a time is given up", async () => {
    await using server = await speaking(async (socket) => {
      for (const byte of "SSH-2.0-slow") {
        socket.write(byte);
        await sleep(200);
      }
    });
    const { failure, ms } = await look(server.port, { transport });

    expect(failure).toMatchObject({ code: "SSH_HOST_UNREACHABLE", unit: "web-1" });
    expect(ms).toBeLessThan(3000);
  });

  it("that says nothing is given up", async () => {
    await using server = await speaking(() => {});

    expect((await look(server.port, { transport })).failure).toMatchObject({
      code: "SSH_HOST_UNREACHABLE",
    });
  });

  it("that floods a login is given up, and nothing of it steers a terminal", async () => {
    const { port, server } = await flooding();
    const { failure, ms } = await look(port, { transport });

    expect(failure).toMatchObject({ unit: "web-1" });
    expect(["SSH_SHELL_UNUSABLE", "SSH_HOST_UNREACHABLE"]).toContain(
      (failure as { readonly code: string }).code,
    );
    // eslint-disable-next-line no-control-regex
    expect((failure as Error).message).not.toMatch(/[\u001b\u0007]/);
    expect((failure as Error).message.length).toBeLessThan(4000);
    expect(ms).toBeLessThan(5000);
    server.close();
  });
});

describe("a server that keeps callers away for a while", () => {
  it("is not asked again, and its words are passed on", async () => {
    await using server = await speaking((socket) => socket.end("Not allowed at this time\r\n"));
    const { failure } = await look(server.port);

    expect(failure).toMatchObject({
      code: "SSH_HOST_UNREACHABLE",
      message: expect.stringContaining("Not allowed at this time"),
    });
    expect(server.count()).toBe(1);
  });

  it("is asked a few times by the ssh program, which keeps those words to itself", async () => {
    await using server = await speaking((socket) => socket.end("Not allowed at this time\r\n"));
    const { failure } = await look(server.port, { transport: "openssh", connectTimeoutMs: 20_000 });

    expect(failure).toMatchObject({
      code: "SSH_HOST_UNREACHABLE",
      message: expect.stringMatching(/closed|reset/i) as string,
    });
    expect(server.count()).toBeLessThanOrEqual(6);
  }, 30_000);
});

describe("a key that is not the known one", () => {
  it("ends the connection before anything is said about who logs in", async () => {
    let asked = 0;
    const server = new ssh2.Server({ hostKeys: [makeKeyPair().private] }, (connection) => {
      connection.on("error", () => {});
      connection.on("authentication", (attempt) => {
        asked += 1;
        attempt.reject();
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { failure } = await look((server.address() as AddressInfo).port);

    expect(failure).toMatchObject({ code: "SSH_HOST_KEY_CHANGED" });
    expect(asked).toBe(0);
    server.close();
  });
});

/** Lets everybody in, and never stops talking. */
async function flooding(): Promise<{ readonly port: number; readonly server: ssh2.Server }> {
  const noise = Buffer.from("\u001b[2J\u0007deadbeef 0\n\n".repeat(2000));
  const server = new ssh2.Server({ hostKeys: [KEY.private] }, (connection) => {
    connection.on("error", () => {});
    connection.on("authentication", (attempt) => attempt.accept());
    connection.on("session", (accept) => {
      accept().on("exec", (agree) => {
        const channel = agree();
        channel.on("error", () => {});
        const more = (): void => {
          if (!channel.destroyed && channel.write(noise)) setImmediate(more);
        };
        channel.on("drain", more);
        more();
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, server };
}
