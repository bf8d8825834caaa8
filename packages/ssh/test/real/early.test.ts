import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startSshd } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SshOptions } from "../../src/index.ts";
import { startTurns } from "../turns.ts";
import { Shop, startHost, type TestHost } from "../world.ts";

const LOOK = { isLook: true };

describe.each(["dash", "busybox"] as const)("what is asked while logging in to %s", (shell) => {
  let host: TestHost;
  let stranger: string;
  beforeAll(async () => {
    host = await startHost(shell);
    stranger = join(host.root, "stranger");
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", stranger]);
  });
  afterAll(async () => host[Symbol.asyncDispose]());

  /** A host that takes keys as `ssh_config` names them. */
  async function withKeys(keys: readonly string[]): Promise<Partial<SshOptions>> {
    const { address, port, hostKey } = host.server;
    const sshConfig = join(host.root, "config");
    const lines = keys.map((key) => `IdentityFile ${key}\n`).join("");
    await writeFile(sshConfig, `${lines}IdentitiesOnly yes\n`);
    const { user } = host.server;
    return { hosts: [{ name: "web-1", address, port, user, hostKey }], sshConfig };
  }

  /** What a host answers to numbers that are asked at once. */
  async function answers(options: Partial<SshOptions>): Promise<readonly string[] | undefined> {
    await using shop = await Shop.open(host, options);
    const [remote] = shop.connection.hosts;
    const ask = async (number: number): Promise<string | undefined> => {
      const script = { text: "echo $NUMBER", values: { NUMBER: `${number}` } };
      return (await remote?.run(shop.context(), script, number % 2 === 0 ? LOOK : {}))?.stdout;
    };
    const said = await Promise.all([1, 2, 3, 4, 5].map(ask));
    return said.map((text) => text?.trim() ?? "");
  }

  const ALL = ["1", "2", "3", "4", "5"];

  it("is answered", async () => {
    const { address, port, user, hostKey } = host.server;
    const hosts = [{ name: "web-1", address, port, user, hostKey }];
    expect(await answers({ hosts })).toEqual(ALL);
  });

  it("is answered once another key was refused", async () => {
    const { identity } = host.server;
    const keys = await withKeys([stranger, identity]);
    // Shop names the right key by default
    expect(await answers({ ...keys, identity: undefined as never })).toEqual(ALL);
  });

  it("is answered where it is too much to be kept by the server", async () => {
    await using shop = await Shop.open(host);
    const text = "x".repeat(20_000);
    const [remote] = shop.connection.hosts;
    const script = { text: 'printf %s "$TEXT"', values: { TEXT: text } };

    expect((await remote?.run(shop.context(), script, LOOK))?.stdout).toBe(text);
  });

  it("is answered in the second round trip after the keys", async () => {
    await using turns = await startTurns(host.server.port);
    const { user, hostKey } = host.server;
    const hosts = [{ name: "web-1", address: "127.0.0.1", port: turns.port, user, hostKey }];

    expect(await answers({ hosts })).toEqual(ALL);
    // two for the keys, the login with what is a look, and what is not
    expect(turns.count).toBeLessThanOrEqual(5);
  });

  it("is an error where the server gives nobody a shell", async () => {
    const folder = join(host.root, `none-${shell}`);
    const config = ["MaxSessions 0"];
    await using server = await startSshd({ folder, user: host.server.user, config });
    const { address, port, user, identity, hostKey } = server;
    const hosts = [{ name: "web-1", address, port, user, hostKey }];

    await expect(answers({ hosts, identity })).rejects.toMatchObject({
      code: "SSH_HOST_UNREACHABLE",
    });
  });
});
