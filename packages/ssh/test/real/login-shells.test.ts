import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Account, createAccount, startSshd } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Shop, type TestHost } from "../world.ts";

/** Login shells of accounts; csh and fish are none of POSIX, and zsh splits no words. */
const SHELLS = [
  "/bin/bash",
  "/bin/csh",
  "/usr/bin/fish",
  "/bin/zsh",
  "/bin/ksh93",
  "/bin/mksh",
] as const;

/** All that a shell could take for its own, then every character from U+0001 to U+00FF, up to 100,000 bytes. */
const HOSTILE = hostile();

function hostile(): string {
  const words = ` ' " \\ $HOME \`id\` $(id) !! ~ * ? # ; & | < > \t % é \n end`;
  const all = String.fromCharCode(...Array.from({ length: 255 }, (_, index) => index + 1));
  const times = Math.floor((100_000 - Buffer.byteLength(words)) / Buffer.byteLength(all));
  return `${words}${all.repeat(times)}`;
}

describe.each(SHELLS)("an account whose login shell is %s", (shell) => {
  let folder: string;
  let account: Account;
  let host: TestHost;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "lockstep-shells-"));
    account = await createAccount({ shell: "dash" });
    execFileSync("usermod", ["--shell", shell, account.name]);
    const server = await startSshd({ folder, user: account.name });
    const dispose = async (): Promise<void> => server[Symbol.asyncDispose]();
    host = { server, root: account.home, [Symbol.asyncDispose]: dispose };
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
    await account[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(["ssh2", "openssh"] as const)("is deployed to over %s", async (transport) => {
    await using shop = await Shop.open(host, { transport, hosts: [hostOf(host)] });

    await shop.deploy("release-1", { "index.html": "one\n" });
    await shop.deploy("release-2", { "index.html": "two\n" });

    expect(await shop.observe()).toEqual({
      link: "releases/release-2",
      files: { "index.html": "two\n" },
    });
  });

  it("gives commands their variables as they are", async () => {
    await using shop = await Shop.open(host, {
      hosts: [hostOf(host)],
      env: { VALUE: HOSTILE },
      restart: ["sh", "-c", 'printf "%s" "$VALUE" >value'],
    });

    await shop.deploy("release-1", { "index.html": "one\n" });

    expect(await shop.observe()).toMatchObject({ files: { value: HOSTILE } });
  });
});

function hostOf({ server }: TestHost): {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly user: string;
} {
  const { address, port, user } = server;
  return { name: "web-1", address, port, user };
}
