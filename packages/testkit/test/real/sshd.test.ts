import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { freePort } from "../../src/free-port.ts";
import { type Sshd, startSshd } from "../../src/sshd.ts";

/** The key that who listens on the port shows. */
function keyAt(port: number): string {
  const words = ["-t", "ed25519", "-p", `${port}`, "127.0.0.1"];
  return execFileSync("ssh-keyscan", words, { stdio: ["ignore", "pipe", "ignore"] }).toString();
}

async function isRunning(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return status.startsWith("Name:\tsshd\n") && !/^State:\tZ/m.test(status);
}

describe("an sshd", { timeout: 120_000 }, () => {
  let root: string;
  let servers: Sshd[];
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "lockstep-sshd-"));
    servers = [];
  });
  afterEach(async () => {
    for (const server of servers) await server[Symbol.asyncDispose]();
    await rm(root, { recursive: true, force: true });
  });

  async function start(name: string, ports?: readonly number[]): Promise<Sshd> {
    const left = [...(ports ?? [])];
    const next = async (): Promise<number> => left.shift() ?? freePort();
    const server = await startSshd({ folder: join(root, name) }, next);
    servers.push(server);
    return server;
  }

  it("takes another port when one that was free a moment ago is another server's, and is not taken for it", async () => {
    const quicker = await start("quicker");

    const server = await start("slower", [quicker.port, quicker.port]);

    expect(server.port).not.toBe(quicker.port);
    expect(keyAt(server.port)).toContain(server.hostKey);
    expect(keyAt(quicker.port)).toContain(quicker.hostKey);
  });

  it("waits for its own port when it is started again while a connection of somebody has it", async () => {
    const server = await start("one");
    await server.stop();
    const passing = createServer().listen(server.port, "127.0.0.1");
    await once(passing, "listening");
    setTimeout(() => passing.close(), 600);

    await server.start();

    expect(keyAt(server.port)).toContain(server.hostKey);
  });

  it("is gone when the process that started it was killed", async () => {
    const code = `
      import { startSshd } from ${JSON.stringify(join(import.meta.dirname, "../../src/sshd.ts"))};
      const { pid } = await startSshd({ folder: ${JSON.stringify(join(root, "orphan"))} });
      console.log(pid);
      setInterval(() => {}, 60_000);
    `;
    const starter = spawn(process.execPath, ["--input-type=module", "--eval", code]);
    const [said] = (await once(starter.stdout, "data")) as [Buffer];
    const pid = Number(said.toString());
    expect(await isRunning(pid)).toBe(true);

    starter.kill("SIGKILL");

    while (await isRunning(pid)) await sleep(20);
  });

  it("of which 16 start at once each has a port of its own", async () => {
    const names = Array.from({ length: 16 }, (_, index) => `host-${index}`);

    const all = await Promise.all(names.map((name) => start(name)));

    expect(new Set(all.map(({ port }) => port)).size).toBe(16);
    for (const { port, hostKey } of all) expect(keyAt(port)).toContain(hostKey);
  });
});
