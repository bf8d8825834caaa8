import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createAccount, startSshd } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { failureOf } from "../failure.ts";
import { Shop, startHost, type TestHost } from "../world.ts";

const ONE = "20261121T101500Z-00000001";

let host: TestHost;
beforeAll(async () => {
  host = await startHost("dash");
});
afterAll(async () => host[Symbol.asyncDispose]());

describe("a command", () => {
  it("that ignores being asked to end is killed when its time is over, and its children with it", async () => {
    await using shop = await Shop.open(host);
    const [remote] = shop.connection.hosts;
    const text = `mkdir -p "$P" && cd "$P" && trap '' TERM HUP
(sleep 1; : >child) & sleep 1; : >parent`;

    const call = remote?.exec(
      shop.context(),
      { text, values: { P: shop.path } },
      { timeoutMs: 500 },
    );

    expect(await failureOf(call ?? Promise.resolve())).toMatchObject({ code: "SSH_TIMEOUT" });
    await sleep(1500);
    expect(await readdir(shop.path)).toEqual([]);
  });

  it.each(["ssh2", "openssh"] as const)(
    "that waits for input finds none over %s",
    async (transport) => {
      const { address, port, user, hostKey } = host.server;
      const hosts = [{ name: "web-1", address, port, user, hostKey }];
      await using shop = await Shop.open(host, {
        transport,
        hosts,
        restart: ["sh", "-c", "read line || echo none >../../said"],
      });
      await shop.build({ "index.html": "one" });
      await shop.fence();

      for (const step of await shop.planPair(ONE)) await shop.apply(step);

      expect(execFileSync("cat", [join(shop.path, "said")]).toString()).toBe("none\n");
    },
  );

  it("that would have sudo ask for a password fails at once, and the way back says what sudo said", async () => {
    await using shop = await Shop.open(host, { restart: ["sudo", "-n", "true"] });
    await shop.build({ "index.html": "one" });
    await shop.fence();
    const [upload, activate] = await shop.planPair(ONE);
    await shop.apply(upload);

    expect(await failureOf(shop.apply(activate))).toMatchObject({
      code: "SSH_COMMAND_FAILED",
      message: expect.stringContaining("a password is required") as string,
    });
  });
});

describe("an account with a restricted shell", () => {
  it.each(["ssh2", "openssh"] as const)("is named over %s", async (transport) => {
    const folder = await mkdtemp(join(tmpdir(), "lockstep-restricted-"));
    await using account = await createAccount({ shell: "dash" });
    execFileSync("usermod", ["--shell", "/usr/bin/rbash", account.name]);
    await using server = await startSshd({ folder, user: account.name });
    const { address, port, user, hostKey } = server;
    const restricted = { server, root: account.home, [Symbol.asyncDispose]: async () => {} };
    const hosts = [{ name: "web-1", address, port, user, hostKey }];
    await using shop = await Shop.open(restricted, { transport, hosts, connectTimeoutMs: 5000 });

    expect(await failureOf(shop.target.live(shop.context()))).toMatchObject({
      code: "SSH_SHELL_UNUSABLE",
      unit: "web-1",
    });
    await rm(folder, { recursive: true });
  });
});
