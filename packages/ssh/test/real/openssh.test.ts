import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { secret, type WriteContext } from "@lockstep/plugin";
import { makeKeyPair, startFaultProxy, startSshd } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SshConnection, SshOptions } from "../../src/index.ts";
import { Shop, startHost, type TestHost } from "../world.ts";

let host: TestHost;
let folder: string;
beforeAll(async () => {
  host = await startHost("dash");
  folder = await mkdtemp(join(tmpdir(), "lockstep-openssh-"));
  await chmod(folder, 0o755);
});
afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function login(
  options: Partial<SshOptions> = {},
  more: Partial<WriteContext<SshConnection>> = {},
): Promise<unknown> {
  await using shop = await Shop.open(host, { transport: "openssh", ...options });
  try {
    await shop.target.live(shop.context(more));
    return "in";
  } catch (error) {
    return error instanceof AggregateError ? error.errors[0] : error;
  }
}

let files = 0;

async function file(text: string): Promise<string> {
  files += 1;
  const path = join(folder, `file-${files}`);
  await writeFile(path, text, { mode: 0o600 });
  return path;
}

const here = (): string => `[127.0.0.1]:${host.server.port}`;

describe("the ssh program", () => {
  it.each([
    ["unknown", () => "# nobody\n", "SSH_HOST_KEY_UNKNOWN"],
    ["changed", () => `${here()} ${makeKeyPair().public}\n`, "SSH_HOST_KEY_CHANGED"],
    [
      "revoked",
      () => `@revoked * ${host.server.hostKey}\n${here()} ${host.server.hostKey}\n`,
      "SSH_HOST_KEY_REVOKED",
    ],
  ])("stops at a host key that is %s", async (_, text, code) => {
    const knownHosts = await file(text());
    const before = await readFile(knownHosts, "utf8");

    expect(await login({ knownHosts })).toMatchObject({ code, unit: "web-1", retryable: false });
    expect(await readFile(knownHosts, "utf8")).toBe(before);
  });

  it("keeps to a pinned key", async () => {
    const { address, port, user, hostKey } = host.server;
    const pin = (key: string): Partial<SshOptions> => ({
      hosts: [{ name: "web-1", address, port, user, hostKey: key }],
    });

    expect(await login(pin(hostKey))).toBe("in");
    expect(await login(pin(makeKeyPair().public))).toMatchObject({ code: "SSH_HOST_KEY_CHANGED" });
  });

  it("trusts hosts and users by certificates, which the library refuses in so many words", async () => {
    const authority = await file(makeKeyPair().private);
    const own = makeKeyPair();
    const identity = await file(own.private);
    await writeFile(`${identity}.pub`, `${own.public}\n`);
    const sshdFolder = join(folder, "certified");
    await using sshd = await startSshd({
      folder: sshdFolder,
      user: host.server.user,
      config: [
        `HostCertificate ${join(sshdFolder, "host_ed25519-cert.pub")}`,
        `TrustedUserCAKeys ${authority}.pub`,
      ],
    });
    const run = (...words: string[]): Buffer =>
      execFileSync("ssh-keygen", words, { stdio: "pipe" });
    await writeFile(`${authority}.pub`, run("-y", "-f", authority));
    await writeFile(join(sshdFolder, "host_ed25519.pub"), `${sshd.hostKey}\n`);
    run(
      "-q",
      "-s",
      authority,
      "-h",
      "-I",
      "host",
      "-n",
      "127.0.0.1",
      join(sshdFolder, "host_ed25519.pub"),
    );
    run("-q", "-s", authority, "-I", "me", "-n", sshd.user, `${identity}.pub`);
    await chmod(`${authority}.pub`, 0o644);
    await sshd.start();
    const trusted = (await readFile(`${authority}.pub`, "utf8")).trim();
    const knownHosts = await file(`@cert-authority 127.0.0.1,[127.0.0.1]:* ${trusted}\n`);
    const hosts = [{ name: "web-1", address: "127.0.0.1", port: sshd.port, user: sshd.user }];

    expect(await login({ hosts, identity, knownHosts })).toBe("in");
    expect(await login({ hosts, identity, knownHosts, transport: "ssh2" })).toMatchObject({
      code: "SSH_HOST_CERTIFICATE",
    });
  });

  it("goes through a ProxyCommand, which the library refuses", async () => {
    const proxy = `ssh -W %h:%p -o UserKnownHostsFile=${host.server.knownHosts} -i ${host.server.identity}`;
    const { port, user } = host.server;
    const sshConfig = await file(
      `Host far\n  HostName 127.0.0.1\n  ProxyCommand ${proxy} -p ${port} ${user}@127.0.0.1\n`,
    );
    const hosts = [{ name: "web-1", address: "far", port, user }];

    expect(await login({ hosts, sshConfig })).toBe("in");
    expect(await login({ hosts, sshConfig, transport: "ssh2" })).toMatchObject({
      code: "SSH_PROXY_COMMAND",
    });
  });

  it("exchanges keys with a server in ways that the library does not know, and which says so", async () => {
    const config = ["KexAlgorithms sntrup761x25519-sha512@openssh.com"];
    const at = join(folder, "post-quantum");
    await using server = await startSshd({ folder: at, user: host.server.user, config });
    const { address, port, user, hostKey, identity } = server;
    const hosts = [{ name: "web-1", address, port, user, hostKey }];

    expect(await login({ hosts, identity })).toBe("in");
    expect(await login({ hosts, identity, transport: "ssh2" })).toMatchObject({
      code: "SSH_HOST_UNREACHABLE",
      message: expect.stringContaining("no matching key exchange"),
      hint: expect.stringContaining('transport: "openssh"'),
      retryable: false,
    });
  });

  it("is told apart by what it could not do", async () => {
    const { address, user } = host.server;
    const dead = [{ name: "web-1", address, port: 1, user }];
    const stranger = await file(makeKeyPair().private);

    expect(await login({ hosts: dead })).toMatchObject({
      code: "SSH_HOST_UNREACHABLE",
      retryable: true,
      message: expect.stringContaining("refused"),
    });
    expect(await login({ identity: stranger })).toMatchObject({ code: "SSH_AUTH_FAILED" });
    expect(await login({ identity: join(folder, "missing") })).toMatchObject({
      code: "SSH_KEY_UNREADABLE",
      message: expect.stringContaining(join(folder, "missing")),
    });
    expect(await login({ passphrase: secret("PHRASE") })).toMatchObject({
      code: "SSH_PASSPHRASE_UNSUPPORTED",
    });
    expect(await login({}, { env: { PATH: folder } })).toMatchObject({
      code: "SSH_PROGRAM_MISSING",
    });
  });

  it("is started anew when its connection was cut", async () => {
    await using proxy = await startFaultProxy({ host: "127.0.0.1", port: host.server.port });
    const { hostKey, user } = host.server;
    const hosts = [{ name: "web-1", address: proxy.host, port: proxy.port, user, hostKey }];
    await using shop = await Shop.open(host, { transport: "openssh", hosts });
    const [remote] = shop.connection.hosts;
    const ctx = shop.context();

    for (const call of ["run", "exec"] as const) {
      await remote?.run(ctx, { text: ":", values: {} });
      const waiting = remote?.[call](ctx, { text: "sleep 5", values: {} });
      setTimeout(() => proxy.cutNow(), 300);
      await expect(waiting).rejects.toMatchObject({ code: "SSH_CONNECTION_LOST", retryable: true });
    }
    expect(await remote?.exec(ctx, { text: "echo back; exit 9", values: {} })).toEqual({
      status: 9,
      stdout: "back\n",
      stderr: "",
    });
  });

  it("never takes a command without a status for a success", async () => {
    await using shop = await Shop.open(host, { transport: "openssh" });
    const [remote] = shop.connection.hosts;
    const ctx = shop.context();

    await expect(remote?.exec(ctx, { text: "kill -9 $$", values: {} })).rejects.toMatchObject({
      code: "SSH_CONNECTION_LOST",
    });
    expect(await remote?.exec(ctx, { text: "exit 255", values: {} })).toMatchObject({
      status: 255,
    });
  });

  it("is not held by what a command leaves running", async () => {
    await using shop = await Shop.open(host, { transport: "openssh" });
    const [remote] = shop.connection.hosts;
    const start = performance.now();

    const text = "sleep 20 & echo started; printf oops >&2";
    expect(await remote?.exec(shop.context(), { text, values: {} })).toEqual({
      status: 0,
      stdout: "started\n",
      stderr: "oops",
    });
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it("opens tunnels, and tells a closed port from a server that forwards nothing", async () => {
    const service = createServer((socket) => void socket.end("hello"));
    service.listen(0, "127.0.0.1");
    await once(service, "listening");
    const { port } = service.address() as AddressInfo;
    await using stern = await startSshd({
      folder: join(folder, "stern"),
      user: host.server.user,
      config: ["AllowTcpForwarding no"],
    });
    await using shop = await Shop.open(host, { transport: "openssh" });
    await using other = await Shop.open({ ...host, server: stern }, { transport: "openssh" });
    const ctx = shop.context();
    const [remote] = shop.connection.hosts;

    const tunnel = await remote?.tunnel(ctx, { address: "127.0.0.1", port });
    const said: Buffer[] = [];
    if (typeof tunnel === "object") for await (const chunk of tunnel) said.push(chunk as Buffer);
    expect(Buffer.concat(said).toString()).toBe("hello");
    expect(await remote?.tunnel(ctx, { address: "127.0.0.1", port: 1 })).toBe("refused");
    const [sternHost] = other.connection.hosts;
    expect(await sternHost?.tunnel(ctx, { address: "127.0.0.1", port })).toBe("denied");
    service.close();
  });

  it("leaves no process and no socket behind", async () => {
    const shop = await Shop.open(host, { transport: "openssh" });
    const ctx = shop.context({ env: { TMPDIR: folder } });
    await shop.target.live(ctx);
    const holding = (): string[] =>
      execFileSync("ps", ["-eo", "args"])
        .toString()
        .split("\n")
        .filter(
          (line) => line.includes(host.server.identity) && line.includes("ControlMaster=yes"),
        );
    expect(holding()).toHaveLength(1);

    await shop[Symbol.asyncDispose]();

    expect(holding()).toEqual([]);
  });
});
