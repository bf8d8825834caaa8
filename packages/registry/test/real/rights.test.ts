import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { secret } from "@lockstep/plugin";
import { type Distribution, startDistribution, type TokenServer } from "@lockstep/testkit";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import type { RegistryOptions } from "../../src/index.ts";
import { filesOf, ONE, Shop, THREE, TWO } from "../world.ts";

const LOGIN = { username: "deploy", password: "not-a-real-password" };

let folder: string;
let server: Distribution;
let tokens: TokenServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lockstep-rights-"));
  server = await startDistribution({ folder, login: LOGIN });
  if (server.tokens === undefined) throw new Error("the registry has no tokens");
  ({ tokens } = server);
});
beforeEach(() => {
  tokens.asked.length = 0;
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

function open(name: string, options: Partial<RegistryOptions> = {}): Promise<Shop> {
  return Shop.open(
    {
      repository: `${server.host}/acme/${name}`,
      auth: { username: LOGIN.username, password: secret("PASSWORD") },
      network: { plainHttp: true, trustedRealms: [new URL(tokens.realm).origin] },
      ...options,
    },
    { env: { PASSWORD: LOGIN.password } },
  );
}

it("an account that may only read is found out in the plan, and by doctor", async () => {
  tokens.allowed = ["pull"];
  await using shop = await open("shop");
  await shop.build(filesOf("one"));

  await expect(shop.plan(ONE)).rejects.toMatchObject({
    code: "REGISTRY_FORBIDDEN",
    message: expect.stringMatching(
      /^The credentials from the config get the rights pull in .*; push is needed\.$/,
    ) as string,
  });
  expect(tokens.asked).toEqual([["repository:acme/shop:pull,push"]]);
  expect(await findings(shop)).toEqual([
    expect.stringMatching(/^ok: .*\/acme\/shop answers; 0 of 1 tags exist\.$/),
    expect.stringMatching(/^fail: .* get the rights pull in .*; push is needed\.$/),
  ]);
});

it("an account that may not delete puts tags back, and leaves what it made new with a word", async () => {
  tokens.allowed = ["pull", "push"];
  await using shop = await open("kept");
  await shop.deploy(ONE, filesOf("one"));
  const start = await shop.live();
  await using later = await open("kept");
  await later.build(filesOf("two"));
  const plan = await later.plan(TWO);
  await later.apply(later.stepOf(plan, "stage"));
  const step = later.stepOf(plan, "activate");
  const before = await later.apply(step);

  expect(await later.revert(step, before)).toBe("restored");

  expect((await later.live())[0]?.ref).toBe(start[0]?.ref);
  expect(later.lines.join("")).toMatch(
    /release-\w+\.\w+ could not be removed: the registry answers 401\.\n/,
  );
});

it("an account that may not delete cannot take a new tag back, and the tag is named", async () => {
  tokens.allowed = ["pull", "push"];
  await using shop = await open("first");
  await shop.build(filesOf("one"));
  const plan = await shop.plan(ONE);
  await shop.apply(shop.stepOf(plan, "stage"));
  const step = shop.stepOf(plan, "activate");
  const before = await shop.apply(step);

  await expect(shop.revert(step, before)).rejects.toMatchObject({
    code: "REGISTRY_TAG_STAYS",
    message: expect.stringMatching(
      /first:latest could not be removed: the registry answers 401\./,
    ) as string,
  });
});

it("an account that may not delete keeps the tags of old releases, and says so", async () => {
  tokens.allowed = ["pull", "push"];
  await using shop = await open("old", { keep: 2 });
  await shop.deploy(ONE, filesOf("one"));
  await shop.deploy(TWO, filesOf("two"));

  await shop.deploy(THREE, filesOf("three"));

  expect(shop.lines).toEqual([expect.stringMatching(/ Old releases keep their tags\.\n$/)]);
});

async function findings(shop: Shop): Promise<string[]> {
  const all: string[] = [];
  for await (const { level, text } of shop.target.doctor?.(shop.context()) ?? [])
    all.push(`${level}: ${text}`);
  return all;
}
