import { execFileSync } from "node:child_process";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeKeyPair } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SshOptions } from "../../src/index.ts";
import { Shop, startHost, type TestHost } from "../world.ts";

/** An agent with the key of the host behind two that the host refuses. */
let agent: { readonly socket: string; readonly pid: number };
/** An agent without a key. */
let empty: { readonly socket: string; readonly pid: number };
let host: TestHost;
let folder: string;
/** The key of the host, closed with a passphrase that nobody gives. */
let closed: string;
/** The public half of it alone. */
let half: string;
beforeAll(async () => {
  host = await startHost("dash");
  folder = await mkdtemp(join(tmpdir(), "lockstep-agent-"));
  agent = startAgent("agent.sock");
  empty = startAgent("empty.sock");
  for (const name of ["one", "two"]) await add(await written(name, makeKeyPair().private));
  await add(host.server.identity);
  closed = join(folder, "closed");
  await copyFile(host.server.identity, closed);
  execFileSync("ssh-keygen", ["-q", "-p", "-P", "", "-N", "correct horse", "-f", closed]);
  const text = execFileSync("ssh-keygen", ["-y", "-f", host.server.identity]).toString();
  half = await written("work.pub", text);
});
afterAll(async () => {
  for (const { pid } of [agent, empty]) process.kill(pid);
  await host[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

function startAgent(name: string): { readonly socket: string; readonly pid: number } {
  const socket = join(folder, name);
  const said = execFileSync("ssh-agent", ["-s", "-a", socket]).toString();
  return { socket, pid: Number(/SSH_AGENT_PID=(\d+)/.exec(said)?.[1]) };
}

async function written(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text, { mode: 0o600 });
  return join(folder, name);
}

async function add(identity: string): Promise<void> {
  const env = { SSH_AUTH_SOCK: agent.socket };
  execFileSync("ssh-add", ["-q", identity], { env, stdio: "ignore" });
}

/** What looking at a host ends with when ssh_config has these lines: "in", or the failure. */
async function login(
  lines: readonly string[],
  { options = {}, socket = agent.socket }: { options?: Partial<SshOptions>; socket?: string } = {},
): Promise<unknown> {
  const sshConfig = await written("config", `${lines.join("\n")}\n`);
  const { address, port, user } = host.server;
  const hosts = [{ name: "web-1", address, port, user }];
  const bare: object = { identity: undefined };
  await using shop = await Shop.open(host, { hosts, sshConfig, ...bare, ...options });
  try {
    await shop.target.live(shop.context({ env: { SSH_AUTH_SOCK: socket } }));
    return "in";
  } catch (error) {
    return error instanceof AggregateError ? error.errors[0] : error;
  }
}

const ONLY = "IdentitiesOnly yes";

describe("a key that only the agent can open", () => {
  it("is offered where ssh_config names its public half, alone or beside the missing key", async () => {
    expect(await login([`IdentityFile ${half}`, ONLY])).toBe("in");
    expect(await login([`IdentityFile ${half.replace(/\.pub$/, "")}`, ONLY])).toBe("in");
  });

  it("is offered where ssh_config names the file that a passphrase closes", async () => {
    expect(await login([`IdentityFile ${closed}`, ONLY])).toBe("in");
    expect(await login([`IdentityFile ${closed}`])).toBe("in");
  });

  it("is offered first of the agent's, as a server hangs up on those who try many", async () => {
    const strangers = await Promise.all(
      Array.from({ length: 6 }, async (_, index) => written(`s-${index}`, makeKeyPair().private)),
    );
    for (const one of strangers) await add(one);
    execFileSync("ssh-add", ["-q", "-d", half], { env: { SSH_AUTH_SOCK: agent.socket } });
    await add(host.server.identity);
    try {
      expect(await login([`IdentityFile ${closed}`])).toBe("in");
      expect(await login([ONLY], { options: { identity: closed, agent: true } })).toBe("in");
    } finally {
      for (const one of strangers) {
        const env = { SSH_AUTH_SOCK: agent.socket };
        execFileSync("ssh-add", ["-q", "-d", one], { env, stdio: "ignore" });
      }
    }
  });

  it("is the only one of the agent's that is offered where identities alone may be", async () => {
    const stranger = await written("stranger", makeKeyPair().private);

    expect(await login([`IdentityFile ${stranger}`, ONLY])).toMatchObject({
      code: "SSH_AUTH_FAILED",
    });
    expect(await login([`IdentityFile ${stranger}`])).toBe("in");
  });

  it("is used where the config of the target names its file, or its public half, and the agent", async () => {
    expect(await login([], { options: { identity: closed, agent: true } })).toBe("in");
    expect(await login([], { options: { identity: half, agent: true } })).toBe("in");
  });
});

describe("a login without a key to offer", () => {
  const nothing = { code: "SSH_NO_IDENTITY", unit: "web-1", retryable: false };

  it("is not taken for one that was refused", async () => {
    const { socket } = empty;
    expect(await login([`IdentityFile ${half}`, ONLY], { socket })).toMatchObject({
      ...nothing,
      message: expect.stringContaining("the agent has none of the keys"),
    });
    expect(await login(["IdentityFile none"], { socket })).toMatchObject({
      ...nothing,
      message: expect.stringContaining("the agent has no key"),
    });
    expect(await login([ONLY, "IdentityFile /nowhere"])).toMatchObject(nothing);
    expect(await login([`IdentityFile ${closed}`, "IdentityAgent none"])).toMatchObject({
      ...nothing,
      message: expect.stringContaining(closed),
    });
  });

  it("says what is wrong with the agent", async () => {
    const socket = join(folder, "gone.sock");

    expect(await login(["IdentityFile none"], { socket })).toMatchObject({
      ...nothing,
      message: expect.stringContaining(`no agent answers at ${socket}`),
    });
    // and goes on with a key that needs none
    expect(await login([`IdentityFile ${host.server.identity}`], { socket })).toBe("in");
  });

  it("names the agent as a way to open a key that is named", async () => {
    for (const identity of [closed, half]) {
      expect(await login([], { options: { identity } })).toMatchObject({
        code: "SSH_KEY_UNREADABLE",
        hint: expect.stringContaining("agent: true"),
      });
    }
  });
});
