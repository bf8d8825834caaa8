import { execFileSync } from "node:child_process";
import { chmod, copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { secret, type WriteContext } from "@lockstep/plugin";
import { makeKeyPair, startFaultProxy, startSandboxSsh, startSshd } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SshConnection, SshOptions } from "../../src/index.ts";
import { Shop, startHost, type TestHost } from "../world.ts";

let host: TestHost;
let folder: string;
beforeAll(async () => {
  host = await startHost("dash");
  folder = await mkdtemp(join(tmpdir(), "lockstep-login-"));
  await chmod(folder, 0o755); // accounts read their authorized_keys below it
});
afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** What looking at a host ends with: "in", or the first failure. */
async function login(
  options: Partial<SshOptions> = {},
  more: Partial<WriteContext<SshConnection>> = {},
): Promise<unknown> {
  await using shop = await Shop.open(host, options);
  try {
    await shop.target.live(shop.context(more));
    return "in";
  } catch (error) {
    return error instanceof AggregateError ? error.errors[0] : error;
  }
}

let files = 0;

async function knownHosts(text: string): Promise<string> {
  files += 1;
  const path = join(folder, `known-${files}`);
  await writeFile(path, text);
  return path;
}

const here = (): string => `[127.0.0.1]:${host.server.port}`;

describe("a host key", () => {
  it("that is unknown stops the run and shows the line that would let it go on", async () => {
    const nobody = await knownHosts("# nobody yet\n");
    const failure = await login({ knownHosts: nobody });

    expect(await readFile(nobody, "utf8")).toBe("# nobody yet\n");
    const line = `${here()} ${host.server.hostKey.split(" ").slice(0, 2).join(" ")}`;
    expect(failure).toMatchObject({
      code: "SSH_HOST_KEY_UNKNOWN",
      unit: "web-1",
      retryable: false,
      message: expect.stringContaining("SHA256:"),
      hint: expect.stringContaining(line),
    });
    expect(await login({ knownHosts: await knownHosts(`${line}\n`) })).toBe("in");
  });

  it("that changed stops the run and says where the old one is", async () => {
    const text = `\n${here()} ${makeKeyPair().public}\n`;

    expect(await login({ knownHosts: await knownHosts(text) })).toMatchObject({
      code: "SSH_HOST_KEY_CHANGED",
      message: expect.stringMatching(/known-\d+:2\.$/),
    });
  });

  it("that is revoked stops the run", async () => {
    const text = `${here()} ${host.server.hostKey}\n@revoked * ${host.server.hostKey}\n`;

    expect(await login({ knownHosts: await knownHosts(text) })).toMatchObject({
      code: "SSH_HOST_KEY_REVOKED",
    });
  });

  it("is not trusted because a certificate authority is", async () => {
    const text = `@cert-authority * ${host.server.hostKey}\n`;

    expect(await login({ knownHosts: await knownHosts(text) })).toMatchObject({
      code: "SSH_HOST_CERTIFICATE",
    });
  });

  it("is found under a hashed name", async () => {
    const path = await knownHosts(`${here()} ${host.server.hostKey}\n# hashed\n`);
    execFileSync("ssh-keygen", ["-q", "-H", "-f", path], { stdio: "ignore" });

    expect(await readFile(path, "utf8")).toContain("|1|");
    expect(await login({ knownHosts: path })).toBe("in");
  });

  it("is looked up in all files that ssh_config names, and revoked by any of them", async () => {
    const { address, port, user, identity, hostKey } = host.server;
    const known = await knownHosts(`${here()} ${hostKey}\n`);
    const empty = await knownHosts("# nobody\n");
    const revoking = await knownHosts(`@revoked * ${hostKey}\n`);
    const hosts = [{ name: "web-1", address, port, user }];
    const bare: object = { knownHosts: undefined };
    const using = async (...paths: string[]): Promise<unknown> => {
      const text = `UserKnownHostsFile ${paths.join(" ")}\nGlobalKnownHostsFile none\n`;
      return login({ hosts, identity, sshConfig: await knownHosts(text), ...bare });
    };

    expect(await using(empty, "/nowhere", known)).toBe("in");
    expect(await using(known, revoking)).toMatchObject({ code: "SSH_HOST_KEY_REVOKED" });
    expect(await using(empty)).toMatchObject({ code: "SSH_HOST_KEY_UNKNOWN" });
    expect(await using("/nowhere")).toMatchObject({ code: "SSH_KNOWN_HOSTS_UNREADABLE" });
  });

  it("is refused where the file of RevokedHostKeys has it, pinned or not, or cannot be read", async () => {
    const { address, port, user, identity, hostKey } = host.server;
    const hosts = [{ name: "web-1", address, port, user, hostKey }];
    const binary = join(folder, "revoked.krl");
    execFileSync("ssh-keygen", ["-q", "-k", "-f", binary, await knownHosts(`${hostKey}\n`)], {
      stdio: "ignore",
    });
    const using = async (path: string): Promise<unknown> =>
      login({ hosts, identity, sshConfig: await knownHosts(`RevokedHostKeys ${path}\n`) });

    expect(await using(await knownHosts("# none\n"))).toBe("in");
    const revoking = await knownHosts(`# old\n${hostKey} of web-1\n`);
    expect(await using(revoking)).toMatchObject({ code: "SSH_HOST_KEY_REVOKED" });
    expect(await using("/nowhere")).toMatchObject({ code: "SSH_KNOWN_HOSTS_UNREADABLE" });
    expect(await using(binary)).toMatchObject({ code: "SSH_KNOWN_HOSTS_UNREADABLE" });
  });

  it("of another type than the known one is a change, not a new key", async () => {
    const rsa = execFileSync("ssh-keygen", [
      "-q",
      "-t",
      "ecdsa",
      "-N",
      "",
      "-f",
      join(folder, "ec"),
    ]);
    expect(rsa.toString()).toBe("");
    const other = (await readFile(join(folder, "ec.pub"), "utf8")).trim();

    expect(await login({ knownHosts: await knownHosts(`${here()} ${other}\n`) })).toMatchObject({
      code: "SSH_HOST_KEY_CHANGED",
    });
  });

  it("may be pinned in the config, and then no file is asked", async () => {
    const { address, port, user, hostKey } = host.server;
    const pin = (key: string): Partial<SshOptions> => ({
      hosts: [{ name: "web-1", address, port, user, hostKey: key }],
      knownHosts: "/nowhere",
    });

    expect(await login(pin(hostKey))).toBe("in");
    expect(await login(pin(makeKeyPair().public))).toMatchObject({ code: "SSH_HOST_KEY_CHANGED" });
  });

  it("is unknown, and told, where ssh never made its own file", async () => {
    const { address, port, user, identity } = host.server;
    const path = join(folder, ".ssh/known_hosts");
    const text = `UserKnownHostsFile ${path} ${path}2\nGlobalKnownHostsFile none\n`;
    const more = { sshConfig: await knownHosts(text), knownHosts: undefined } as object;

    expect(
      await login({ hosts: [{ name: "web-1", address, port, user }], identity, ...more }),
    ).toMatchObject({
      code: "SSH_HOST_KEY_UNKNOWN",
      message: expect.stringContaining(`${path} has none for it`) as string,
      hint: expect.stringContaining(`${here()} ssh-ed25519 `) as string,
    });
  });

  it("cannot be compared when there is no file", async () => {
    expect(await login({ knownHosts: "/nowhere" })).toMatchObject({
      code: "SSH_KNOWN_HOSTS_UNREADABLE",
    });
  });
});

describe("a login", () => {
  it("is not tried again with a key the host refuses", async () => {
    const identity = join(folder, "stranger");
    await writeFile(identity, makeKeyPair().private, { mode: 0o600 });

    expect(await login({ identity })).toMatchObject({ code: "SSH_AUTH_FAILED", retryable: false });
  });

  it("opens a key file with its passphrase, and not without", async () => {
    const identity = join(folder, "locked");
    await copyFile(host.server.identity, identity);
    execFileSync("ssh-keygen", ["-q", "-p", "-P", "", "-N", "correct horse", "-f", identity]);
    const passphrase = secret("PHRASE");

    expect(await login({ identity, passphrase }, { env: { PHRASE: "correct horse" } })).toBe("in");
    expect(await login({ identity, passphrase }, { env: { PHRASE: "wrong horse" } })).toMatchObject(
      { code: "SSH_KEY_UNREADABLE" },
    );
    expect(await login({ identity })).toMatchObject({ code: "SSH_KEY_UNREADABLE" });
  });

  it("uses the agent's keys", async () => {
    const socket = join(folder, "agent.sock");
    const said = execFileSync("ssh-agent", ["-s", "-a", socket]).toString();
    const pid = Number(/SSH_AGENT_PID=(\d+)/.exec(said)?.[1]);
    const env = { SSH_AUTH_SOCK: socket };
    execFileSync("ssh-add", ["-q", host.server.identity], { env, stdio: "ignore" });
    const { address, port, user, knownHosts: file } = host.server;
    const hosts = [{ name: "web-1", address, port, user }];
    await using shop = await Shop.open(host, { hosts, agent: true, knownHosts: file });
    try {
      await expect(shop.target.live(shop.context({ env }))).resolves.toHaveLength(1);

      // also after a key that the host refuses
      const identity = join(folder, "refused");
      await writeFile(identity, makeKeyPair().private, { mode: 0o600 });
      expect(await login({ hosts, identity, agent: true, knownHosts: file }, { env })).toBe("in");
    } finally {
      process.kill(pid);
    }
  });

  it("needs a key or an agent", async () => {
    expect(await login({ agent: false, identity: "/nowhere" })).toMatchObject({
      code: "SSH_KEY_UNREADABLE",
    });
  });

  it("needs a user", async () => {
    const { address, port } = host.server;

    const hosts = [{ name: "web-1", address, port }];
    expect(await login({ hosts, sshConfig: false })).toMatchObject({
      code: "SSH_USER_MISSING",
    });
  });
});

describe("a host that cannot be used", () => {
  it("is told from one that refuses the login", async () => {
    const hosts = [{ name: "web-1", address: "127.0.0.1", port: 1, user: "a" }];

    expect(await login({ hosts })).toMatchObject({
      code: "SSH_HOST_UNREACHABLE",
      unit: "web-1",
      retryable: true,
    });
  });

  it("does not keep the others from being read", async () => {
    const { address, port, user } = host.server;
    const hosts = [
      { name: "dead", address, port: 1, user },
      { name: "web-1", address, port, user },
    ];
    await using shop = await Shop.open(host, { hosts });
    const { unit: _, ...everywhere } = shop.context();

    const failure = await shop.target.live(everywhere).catch((error: unknown) => error);

    expect(failure).toBeInstanceOf(AggregateError);
    expect((failure as AggregateError).errors).toMatchObject([{ unit: "dead" }]);
    expect(await shop.target.live(shop.context())).toMatchObject([{ unit: "web-1", ref: null }]);
  });

  it("is given up when it does not answer in time", async () => {
    await using proxy = await startFaultProxy({ host: "127.0.0.1", port: host.server.port });
    proxy.freeze();
    const { hostKey, user } = host.server;
    const hosts = [{ name: "web-1", address: proxy.host, port: proxy.port, user, hostKey }];

    expect(await login({ hosts, connectTimeoutMs: 300 })).toMatchObject({
      code: "SSH_HOST_UNREACHABLE",
    });
  });

  it("says so when the account is for file transfer only", async () => {
    const config = ["ForceCommand internal-sftp"];
    await using sshd = await startSshd({
      folder: join(folder, "sftp"),
      user: host.server.user,
      config,
    });
    const { address, port, user, identity, hostKey } = sshd;
    const hosts = [{ name: "web-1", address, port, user, hostKey }];

    expect(await login({ hosts, identity, connectTimeoutMs: 1500 })).toMatchObject({
      code: "SSH_SHELL_UNUSABLE",
    });
  });
});

describe.each(["ssh2", "openssh"] as const)("an account, over %s,", (transport) => {
  it.each([
    ["whose start-up file ends the shell", ["/bin/sh", "-c", "echo bye; exit 0"]],
    ["with a forced command", ["/bin/sh", "-c", "echo 'you may only sync'; cat >/dev/null"]],
  ])("%s is named", async (_, shell) => {
    const home = join(folder, `forced-${transport}-${shell[2]?.length}`);
    await using server = await startSandboxSsh({ folder: home, shell });
    const { address, port, user, identity, knownHosts: known } = server;
    const hosts = [{ name: "web-1", address, port, user }];
    const options = { transport, hosts, identity, knownHosts: known, connectTimeoutMs: 1000 };

    const failure = (await login(options)) as { readonly code: string };
    expect(["SSH_SHELL_UNUSABLE", "SSH_HOST_UNREACHABLE"]).toContain(failure.code);
    expect(failure).toMatchObject({ unit: "web-1" });
  });
});

describe("a command that is given up", () => {
  it("is ended on the host", async () => {
    await using shop = await Shop.open(host);
    const [remote] = shop.connection.hosts;
    const marker = join(host.root, "still-there");
    const text = `sleep 1; : >'${marker}'`;
    await remote?.run(shop.context(), { text: ":", values: {} });

    await expect(
      remote?.exec(shop.context(), { text, values: {} }, { timeoutMs: 200 }),
    ).rejects.toMatchObject({ code: "SSH_TIMEOUT" });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await expect(readFile(marker)).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe("a connection", () => {
  it("that is cut is reported as lost, and made anew for the next call", async () => {
    await using proxy = await startFaultProxy({ host: "127.0.0.1", port: host.server.port });
    const { hostKey, user } = host.server;
    const hosts = [{ name: "web-1", address: proxy.host, port: proxy.port, user, hostKey }];
    await using shop = await Shop.open(host, { hosts });
    const [remote] = shop.connection.hosts;
    const ctx = shop.context();
    await remote?.run(ctx, { text: ":", values: {} });

    const waiting = remote?.run(ctx, { text: "sleep 5", values: {} });
    setTimeout(() => proxy.cutNow(), 50);

    await expect(waiting).rejects.toMatchObject({ code: "SSH_CONNECTION_LOST", retryable: true });
    expect(await remote?.run(ctx, { text: "echo back", values: {} })).toMatchObject({
      status: 0,
      stdout: "back\n",
    });
  });

  it("is made anew when its shell is killed", async () => {
    await using shop = await Shop.open(host);
    const [remote] = shop.connection.hosts;
    const ctx = shop.context();

    await expect(remote?.run(ctx, { text: "kill -9 $$", values: {} })).rejects.toMatchObject({
      code: "SSH_CONNECTION_LOST",
    });
    expect(await remote?.run(ctx, { text: "echo back", values: {} })).toMatchObject({
      stdout: "back\n",
    });
  });

  it("that ends while it is made is not taken for an account without a shell", async () => {
    await using proxy = await startFaultProxy({ host: "127.0.0.1", port: host.server.port });
    const { hostKey, user } = host.server;
    const hosts = [{ name: "web-1", address: proxy.host, port: proxy.port, user, hostKey }];
    await login({ hosts });
    const { up, down } = proxy.transferred;
    const codes = new Set<unknown>();

    for (let part = 1; part <= 12; part += 1) {
      const direction = part % 2 === 0 ? "up" : "down";
      proxy.cutAfter(direction, Math.floor(((direction === "up" ? up : down) * part) / 13));
      codes.add(((await login({ hosts })) as { code?: string }).code);
      proxy.heal();
    }

    for (const code of codes) {
      expect([undefined, "SSH_CONNECTION_LOST", "SSH_HOST_UNREACHABLE"]).toContain(code);
    }
    expect(codes).toContain("SSH_HOST_UNREACHABLE");
  });

  it("is given up when a command takes too long, and made anew", async () => {
    await using shop = await Shop.open(host);
    const [remote] = shop.connection.hosts;
    const ctx = shop.context();
    const slow = { text: "sleep 5", values: {} };

    await expect(remote?.run(ctx, slow, { timeoutMs: 100 })).rejects.toMatchObject({
      code: "SSH_TIMEOUT",
    });
    await expect(
      remote?.exec({ ...ctx, signal: AbortSignal.timeout(100) }, slow),
    ).rejects.toMatchObject({ name: "TimeoutError" });
    expect(await remote?.run(ctx, { text: "exit 7", values: {} })).toMatchObject({ status: 7 });
  });

  it("that is frozen holds up nobody for long", async () => {
    await using proxy = await startFaultProxy({ host: "127.0.0.1", port: host.server.port });
    const { hostKey, user } = host.server;
    const hosts = [{ name: "web-1", address: proxy.host, port: proxy.port, user, hostKey }];
    const shop = await Shop.open(host, { hosts });
    await shop.target.live(shop.context());
    proxy.freeze();

    const signal = AbortSignal.timeout(100);
    await expect(shop.target.live(shop.context({ signal }))).rejects.toThrow("1 of 1 hosts failed");
    const start = performance.now();
    await shop[Symbol.asyncDispose]();

    expect(performance.now() - start).toBeLessThan(1000);
  });

  it("never takes a command without a status for a success", async () => {
    await using shop = await Shop.open(host);
    const [remote] = shop.connection.hosts;
    const text = "kill -9 $$";

    expect(await remote?.exec(shop.context(), { text, values: {} })).toMatchObject({ status: 137 });
  });

  it("is not disturbed by what start-up files print", async () => {
    const shell = ["/bin/sh", "-c", 'echo welcome; echo "you have mail" >&2; eval "$0"'];
    await using server = await startSandboxSsh({ folder: join(folder, "noisy"), shell });
    await using shop = await Shop.open({ ...host, server, root: folder });

    await shop.deploy("20261121T101500Z-00000001", { "index.html": "one" });

    expect(await shop.observe()).toMatchObject({ files: { "index.html": "one" } });
  });

  it("keeps a flood of output out of memory and out of messages", async () => {
    await using shop = await Shop.open(host);
    const [remote] = shop.connection.hosts;
    const text = "dd if=/dev/zero bs=1000000 count=20 2>/dev/null | tr '\\0' x";

    const { stdout } = (await remote?.exec(shop.context(), { text, values: {} })) ?? {};

    expect(stdout).toHaveLength(65_536);
  });
});
