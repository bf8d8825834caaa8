import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ssh2, { type Client } from "ssh2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createAccount,
  type SandboxSsh,
  startFaultProxy,
  startSandboxSsh,
  startSshd,
} from "../src/index.ts";

const real = process.env["LOCKSTEP_TEST"] !== "sandbox";

async function login(host: SandboxSsh, port = host.port): Promise<Client> {
  const client = new ssh2.Client();
  client.on("error", () => {});
  client.connect({
    host: host.address,
    port,
    username: host.user,
    privateKey: await readFile(host.identity),
    hostVerifier: (key: Buffer) => key.toString("base64") === host.hostKey.split(" ")[1],
  });
  await new Promise<void>((resolve, reject) => {
    client.once("ready", resolve).once("close", () => reject(new Error("closed")));
  });
  return client;
}

/** Resolves when the connection is gone, whatever it said before. */
function closeOf(client: Client): Promise<void> {
  return new Promise((resolve) => {
    client.once("close", () => resolve());
  });
}

function run(
  client: Client,
  command: string,
  input = "",
): Promise<{ out: string; status: number | null }> {
  return new Promise((resolve, reject) => {
    client.exec(command, (error, channel) => {
      if (error) return reject(error);
      let out = "";
      let status: number | null = null;
      channel.on("data", (chunk: Buffer) => (out += chunk.toString()));
      channel.on("exit", (code: number | null) => (status = code));
      channel.on("close", () => resolve({ out, status }));
      channel.end(input);
    });
  });
}

/** Command lines of all processes of an account. */
async function processesOf(uid: number): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const owner = await stat(`/proc/${pid}`).catch(() => undefined);
    const words = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (owner?.uid === uid && words !== "") found.push(words);
  }
  return found;
}

interface Case {
  readonly name: string;
  start(folder: string): Promise<{ host: SandboxSsh; end(): Promise<void> }>;
}

const cases: Case[] = [
  {
    name: "the sandbox SSH server",
    async start(folder) {
      const host = await startSandboxSsh({ folder });
      return { host, end: async () => host[Symbol.asyncDispose]() };
    },
  },
  ...(real
    ? (["dash", "busybox"] as const).map((shell) => ({
        name: `sshd with an account of ${shell}`,
        async start(folder: string) {
          const account = await createAccount({ shell });
          const host = await startSshd({ folder, user: account.name });
          return {
            host,
            async end() {
              await host[Symbol.asyncDispose]();
              await account[Symbol.asyncDispose]();
            },
          };
        },
      }))
    : []),
];

describe.each(cases)("$name", ({ start }) => {
  let folder = "";
  let host: SandboxSsh;
  let end: () => Promise<void>;
  let client: Client;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "lockstep-host-"));
    ({ host, end } = await start(folder));
    client = await login(host);
  });

  afterAll(async () => {
    client.end();
    await end();
    await rm(folder, { recursive: true });
  });

  it("runs commands in a real shell and tells how they ended", async () => {
    expect(await run(client, "printf '%s' \"$((6 * 7))\"; exit 3")).toEqual({
      out: "42",
      status: 3,
    });
  });

  it("passes standard input on, byte for byte", async () => {
    const input = Buffer.from(
      Array.from({ length: 100_000 }, (_, index) => 32 + (index % 90)),
    ).toString();

    expect((await run(client, "wc -c", input)).out.trim()).toBe("100000");
  });

  it("serves many commands through one long-lived shell", async () => {
    const { out } = await run(client, "exec sh -s", "echo one\ncd /\npwd\nexit 4\n");

    expect(out).toBe("one\n/\n");
  });

  it("lets a command go on that lost its connection, with its input at an end", async () => {
    const marker = join(tmpdir(), `lockstep-${randomUUID()}`);
    const doomed = await login(host);
    const running = new Promise<void>((resolve, reject) => {
      doomed.exec(`echo on; cat > /dev/null; echo done > ${marker}`, (error, channel) => {
        if (error) return reject(error);
        channel.once("data", () => resolve());
      });
    });

    await running;
    doomed.destroy();

    await expect.poll(() => readFile(marker, "utf8").catch(() => "")).toBe("done\n");
    await rm(marker);
  });

  it("tells which signal ended a command", async () => {
    const ended = new Promise<unknown>((resolve, reject) => {
      client.exec("kill -TERM $$", (error, channel) => {
        if (error) return reject(error);
        channel.on("exit", (...words: unknown[]) => resolve(words[1]));
        channel.resume();
      });
    });

    expect(await ended).toMatch(/^(SIG)?TERM$/);
  });

  it("forwards connections to loopback", async () => {
    const server = createServer((_, response) => response.end("shop"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };

    const text = await new Promise<string>((resolve, reject) => {
      client.forwardOut("127.0.0.1", 0, "127.0.0.1", port, (error, channel) => {
        if (error) return reject(error);
        let out = "";
        channel.on("data", (chunk: Buffer) => (out += chunk.toString()));
        channel.on("close", () => resolve(out));
        channel.end("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      });
    });

    server.close();
    expect(text).toContain("shop");
  });

  it("lets nobody in with another key", async () => {
    const other = ssh2.utils.generateKeyPairSync("ed25519");
    const stranger = new ssh2.Client();
    const refused = once(stranger, "error");

    stranger.connect({
      host: host.address,
      port: host.port,
      username: host.user,
      privateKey: other.private,
    });

    expect(String(await refused)).toContain("authentication");
    stranger.end();
  });

  it("is cut off by a fault proxy after the bytes it was told", async () => {
    await using proxy = await startFaultProxy({ host: host.address, port: host.port });
    const through = await login(host, proxy.port);
    const closed = closeOf(through);
    proxy.cutAfter("up", 50_000);

    void run(through, "cat > /dev/null", "x".repeat(200_000)).catch(() => {});
    await closed;

    expect(proxy.transferred.up).toBeGreaterThanOrEqual(50_000);
    expect(proxy.transferred.up).toBeLessThan(60_000);
  });
});

describe.runIf(real)("sshd", () => {
  it("leaves neither a process nor an account behind", async () => {
    const folder = await mkdtemp(join(tmpdir(), "lockstep-host-"));
    const account = await createAccount({ shell: "dash" });
    const host = await startSshd({ folder, user: account.name });
    const client = await login(host);
    void run(client, "sleep 600").catch(() => {});
    await run(client, "nohup sleep 600 > /dev/null 2>&1 &");

    await host[Symbol.asyncDispose]();
    await account[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });

    expect(await processesOf(account.uid)).toEqual([]);
    expect(await readFile("/etc/passwd", "utf8")).not.toContain(`${account.name}:`);
    await expect(stat(account.home)).rejects.toThrow("ENOENT");
  });

  it("comes back on the same port with the same key after a stop that ended its sessions", async () => {
    const folder = await mkdtemp(join(tmpdir(), "lockstep-host-"));
    const host = await startSshd({ folder });
    const client = await login(host);
    const closed = closeOf(client);

    await host.stop();
    await closed;
    await expect(login(host)).rejects.toThrow("closed");
    await host.start();
    const again = await login(host);

    expect((await run(again, "id -u")).out.trim()).toBe("0");
    again.end();
    await host[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
});
