import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDistribution } from "@lockstep/testkit";
import { expect, it } from "vitest";
import { filesOf, ONE, Shop } from "../world.ts";

const LOGIN = { username: "deploy", password: "not-a-real-password" };

async function podman(input: string, ...words: readonly string[]): Promise<number> {
  // an account without a session, as root in a job has none
  const env = { PATH: process.env["PATH"], HOME: process.env["HOME"] };
  const child = spawn("podman", words, { env, stdio: ["pipe", "ignore", "ignore"] });
  child.stdin.end(input);
  const [status] = (await once(child, "close")) as [number];
  return status;
}

it("what `podman login` left behind for an account without a session is used", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-podman-login-"));
  await using server = await startDistribution({ folder, login: LOGIN });
  const realm = new URL(server.tokens?.realm ?? "").origin;
  const options = ["--tls-verify=false", "--username", LOGIN.username, "--password-stdin"];
  expect(await podman(LOGIN.password, "login", ...options, server.host)).toBe(0);
  try {
    await using shop = await Shop.open({
      repository: `${server.host}/acme/shop`,
      network: { plainHttp: true, trustedRealms: [realm] },
    });

    await shop.deploy(ONE, filesOf("one"));

    expect((await shop.live())[0]?.ref).toMatch(/^sha256:/);
    expect(shop.masked).toContain(LOGIN.password);
  } finally {
    await podman("", "logout", server.host);
    await rm(folder, { recursive: true, force: true });
  }
});
