import { chmod, cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { newShop, type Said, type Shop } from "./shop.ts";

/** Journals and targets as version 0.1.0 left them; files that are never made again. */
const GOLDEN = join(import.meta.dirname, "../../../packages/core/test/golden");
const PRODUCTION = ["-e", "production"];
const DEPLOY = ["deploy", "-y", "--lock-wait", "20s", ...PRODUCTION];
const AS_BEFORE = ["one", "one"];

async function found(name: string): Promise<Shop> {
  const shop = await newShop("two", "three");
  for (const content of ["two", "three"]) await expireSoon(shop.file(content));
  const state = join(shop.folder, ".lockstep");
  await cp(join(GOLDEN, name, "state"), state, { recursive: true, verbatimSymlinks: true });
  await chmod(state, 0o700);
  await cp(join(GOLDEN, name, "world.json"), join(shop.folder, "world.json"));
  return shop;
}

/** The lease of a process that was killed on another machine is waited for as long as its store says. */
async function expireSoon(file: string): Promise<void> {
  const text = await readFile(file, "utf8");
  await writeFile(file, text.replaceAll("localStore()", "localStore({ ttlMs: 2000 })"));
}

function documentOf({ out }: Said): Record<string, unknown> {
  return JSON.parse(out.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;
}

async function contentsOf({ folder }: Shop): Promise<unknown> {
  const { units } = JSON.parse(await readFile(join(folder, "world.json"), "utf8")) as {
    readonly units: Record<string, { readonly live: { readonly content: string } | null }>;
  };
  return Object.values(units).map(({ live }) => live?.content);
}

describe("a project that version 0.1.0 left", () => {
  it.each([
    ["committed", ["done"]],
    ["aborted", ["rolled-back", "done"]],
    ["parked", ["open", "done"]],
    ["killed", ["open", "done"]],
  ])("%s shows its history, undamaged, and what is live", async (name, results) => {
    const shop = await found(name);

    const history = await shop.lockstep("three", ["history", ...PRODUCTION, "--output", "json"]);
    const verified = await shop.lockstep("three", ["history", ...PRODUCTION, "--verify"]);
    const status = await shop.lockstep("three", ["status", ...PRODUCTION, "--output", "json"]);

    expect(history.exit).toBe(0);
    expect(documentOf(history)).toMatchObject(results.map((result) => ({ result })));
    expect(verified.exit).toBe(0);
    expect(JSON.stringify(documentOf(status))).toContain('"v1"');
  });

  it.each(["parked", "killed"])("%s refuses a deploy until it is recovered", async (name) => {
    const shop = await found(name);

    const refused = await shop.lockstep("three", DEPLOY);
    const recovered = await shop.lockstep("three", ["recover", "-y", ...PRODUCTION]);
    const contents = await contentsOf(shop);
    const deployed = await shop.lockstep("three", DEPLOY);

    expect([refused.exit, recovered.exit, deployed.exit]).toEqual([25, 0, 0]);
    expect(contents).toEqual(AS_BEFORE);
    expect(await contentsOf(shop)).toEqual(["three", "three"]);
  });

  it("killed is gone on with by recover --forward", async () => {
    const shop = await found("killed");

    const { exit } = await shop.lockstep("two", ["recover", "-y", "--forward", ...PRODUCTION]);

    expect(exit).toBe(0);
    expect(await contentsOf(shop)).toEqual(["two", "two"]);
  });

  it("committed is deployed over, and rolled back to", async () => {
    const shop = await found("committed");
    const before = await contentsOf(shop);

    const deployed = await shop.lockstep("three", DEPLOY);
    const back = await shop.lockstep("three", ["rollback", "-y", ...PRODUCTION]);

    expect([deployed.exit, back.exit]).toEqual([0, 0]);
    expect(await contentsOf(shop)).toEqual(before);
  });
});
