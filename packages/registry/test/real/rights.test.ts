import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { secret } from "@lockstep/plugin";
import { startDistribution } from "@lockstep/testkit";
import { expect, it } from "vitest";
import { filesOf, ONE, Shop } from "../world.ts";

const LOGIN = { username: "deploy", password: "not-a-real-password" };

it("an account that may only read is found out in the plan", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-rights-"));
  await using server = await startDistribution({ folder, login: LOGIN });
  const { tokens } = server;
  if (tokens === undefined) throw new Error("the registry has no tokens");
  try {
    tokens.allowed = ["pull"];
    await using shop = await Shop.open(
      {
        repository: `${server.host}/acme/shop`,
        auth: { username: LOGIN.username, password: secret("PASSWORD") },
        network: { plainHttp: true, trustedRealms: [new URL(tokens.realm).origin] },
      },
      { env: { PASSWORD: LOGIN.password } },
    );
    await shop.build(filesOf("one"));

    await expect(shop.plan(ONE)).rejects.toMatchObject({
      code: "REGISTRY_FORBIDDEN",
      message: expect.stringMatching(
        /^The credentials from the config get the rights pull in .*; push is needed\.$/,
      ) as string,
    });
    expect(tokens.asked).toEqual([["repository:acme/shop:pull,push"]]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
