import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { newShop, type Said, type Shop } from "./shop.ts";

const PRODUCTION = ["-e", "production"];
const DEPLOY = ["deploy", "-y", ...PRODUCTION];

async function contentsOf({ folder }: Shop): Promise<unknown> {
  const { units } = JSON.parse(await readFile(join(folder, "world.json"), "utf8")) as {
    readonly units: Record<string, { readonly live: { readonly content: string } | null }>;
  };
  return Object.values(units).map(({ live }) => live?.content);
}

function documentOf({ out }: Said): Record<string, unknown> {
  return JSON.parse(out.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;
}

describe("a saved plan", () => {
  it("is for its owner only, runs exactly as shown, and needs no further yes", async () => {
    const shop = await newShop("one");
    const planned = await shop.lockstep("one", ["plan", ...PRODUCTION, "--save", "plan.json"]);

    const applied = await shop.lockstep("one", ["apply", "plan.json"]);

    expect(planned.exit).toBe(0);
    expect((await stat(join(shop.folder, "plan.json"))).mode & 0o777).toBe(0o600);
    expect(applied.exit).toBe(0);
    expect(await contentsOf(shop)).toEqual(["one", "one"]);
  });

  it("is refused with 22 after somebody else deployed, and nothing is written", async () => {
    const shop = await newShop("one", "two", "three");
    await shop.lockstep("one", DEPLOY);
    await shop.lockstep("two", ["plan", ...PRODUCTION, "--save", "plan.json"]);
    await shop.lockstep("three", DEPLOY);
    const world = await readFile(join(shop.folder, "world.json"), "utf8");

    const { exit, err } = await shop.lockstep("two", ["apply", "plan.json"]);

    expect(exit).toBe(22);
    expect(err).toContain("PLAN_STALE");
    expect(await readFile(join(shop.folder, "world.json"), "utf8")).toBe(world);
  });

  it("that was edited is refused with 22", async () => {
    const shop = await newShop("one");
    await shop.lockstep("one", ["plan", ...PRODUCTION, "--save", "plan.json"]);
    const file = join(shop.folder, "plan.json");
    await writeFile(file, (await readFile(file, "utf8")).replace('"undo":', '"undo_":'));

    const { exit, err } = await shop.lockstep("one", ["apply", "plan.json"]);

    expect(exit).toBe(22);
    expect(err).toContain("PLAN_ALTERED");
  });

  it.each([
    ["no file", undefined, "ENOENT"],
    ["no JSON", "{", "it is not JSON"],
    ["no plan", '{"plan": 7}', "it is no plan"],
    ["nothing", "null", "it is no plan"],
  ])("that is %s is refused with 2", async (_, text, reason) => {
    const shop = await newShop("one");
    if (text !== undefined) await writeFile(join(shop.folder, "plan.json"), text);

    const { exit, err } = await shop.lockstep("one", ["apply", "plan.json"]);

    expect(exit).toBe(2);
    expect(err).toContain(`plan.json cannot be applied: ${reason}`);
  });

  it("of a protected environment still wants its name", async () => {
    const shop = await newShop();
    await shop.holds("one", "protected: true");
    await shop.lockstep("one", ["plan", ...PRODUCTION, "--save", "plan.json"]);

    const refused = await shop.lockstep("one", ["apply", "plan.json", "-y"]);
    const named = await shop.lockstep("one", ["apply", "plan.json", "--confirm", "production"]);

    expect([refused.exit, named.exit]).toEqual([24, 0]);
  });

  it("for one environment is not applied to another", async () => {
    const shop = await newShop("one");
    await shop.lockstep("one", ["plan", ...PRODUCTION, "--save", "plan.json"]);

    const { exit, err } = await shop.lockstep("one", ["apply", "plan.json", "-e", "staging"]);

    expect(exit).toBe(2);
    expect(err).toContain("plan.json is a plan for production, and --env says staging");
  });
});

describe("a release with a name", () => {
  it("that staging proved is promoted with the same content", async () => {
    const shop = await newShop("one");
    await shop.lockstep("one", ["deploy", "-y", "-e", "staging", "--release", "v1"]);

    const { exit, out } = await shop.lockstep("one", [...DEPLOY, "--release", "v1", "--adopt"]);

    expect({ exit, out }).toEqual({ exit: 0, out: expect.stringMatching(/^(v1\n)?$/) as string });
  });

  it("is refused with 22 when production would get other content", async () => {
    const shop = await newShop("one", "two");
    await shop.lockstep("one", ["deploy", "-y", "-e", "staging", "--release", "v1"]);

    const { exit, err } = await shop.lockstep("two", [...DEPLOY, "--release", "v1", "--adopt"]);

    expect(exit).toBe(22);
    expect(err).toContain('web would bring "memory:two"; staging has "memory:one" as release v1.');
    expect(await contentsOf(shop)).toEqual(["one", "one"]);
  });

  it("that was put back is not tried again under that name", async () => {
    const shop = await newShop("one", "broken");
    await shop.lockstep("one", DEPLOY);
    const failed = await shop.lockstep("broken", [...DEPLOY, "--release", "v2"]);

    const again = await shop.lockstep("broken", [...DEPLOY, "--release", "v2"]);

    expect([failed.exit, again.exit]).toEqual([31, 23]);
    expect(again.err).toContain("RELEASE_QUARANTINED");
    expect((await shop.lockstep("broken", [...DEPLOY, "--release", "v3"])).exit).toBe(31);
  });

  it.each(["", "../x", "a b", ".hidden", "x".repeat(65)])("cannot be %j", async (name) => {
    const shop = await newShop("one");

    const { exit, err } = await shop.lockstep("one", [...DEPLOY, "--release", name]);

    expect(exit).toBe(2);
    expect(err).toContain("A release has 1 to 64 characters");
  });
});

describe("recover", () => {
  it("accepts what is live when a check could not be measured, and keeps the reason", async () => {
    const shop = await newShop("one", "silent");
    await shop.lockstep("one", DEPLOY);
    const parked = await shop.lockstep("silent", DEPLOY);
    const words = ["recover", ...PRODUCTION, "--accept"];

    const without = await shop.lockstep("silent", words);
    const { exit, err } = await shop.lockstep("silent", [...words, "--reason", "seen by eye"]);

    expect([parked.exit, without.exit, exit]).toEqual([34, 2, 0]);
    expect(err).toContain("Recovered: the run was finished.");
    expect(await contentsOf(shop)).toEqual(["silent", "silent"]);
    const [, run = ""] = /(production-\d+-[0-9a-f]+)/.exec(parked.err) ?? [];
    expect((await shop.lockstep("silent", ["explain", run])).out).toContain("seen by eye");
  });

  it("goes forward, and asks the checks again", async () => {
    const shop = await newShop("one", "silent");
    await shop.lockstep("silent", DEPLOY);

    const { exit } = await shop.lockstep("silent", ["recover", ...PRODUCTION, "--forward"]);

    expect(exit).toBe(34);
    expect((await shop.lockstep("silent", ["recover", ...PRODUCTION])).exit).toBe(0);
  });

  it("gives up a unit by name, and closes the run", async () => {
    const shop = await newShop("one", "stuck");
    await shop.lockstep("one", DEPLOY);
    const stuck = await shop.lockstep("stuck", DEPLOY);
    const skip = ["recover", ...PRODUCTION, "--skip", "web/web-1", "--skip", "web/web-2"];

    const wrong = await shop.lockstep("stuck", [...skip, "--skip", "web/web-9", "--reason", "x"]);
    const { exit, err } = await shop.lockstep("stuck", [...skip, "--reason", "machines replaced"]);

    expect([stuck.exit, wrong.exit, exit]).toEqual([32, 2, 0]);
    expect(wrong.err).toContain('The run has no unit web/web-9. Did you mean "web/web-1"?');
    expect(err).toContain("✔ Recovered");
    expect((await shop.lockstep("one", ["status", ...PRODUCTION])).exit).toBe(0);
  });

  it("with --if-open ends with 0 when the run it names is over", async () => {
    const shop = await newShop("one");
    await shop.lockstep("one", DEPLOY);
    const words = ["recover", "production-000009-00000000", ...PRODUCTION];

    expect((await shop.lockstep("one", words)).exit).toBe(2);
    expect((await shop.lockstep("one", [...words, "--if-open"])).exit).toBe(0);
    expect((await shop.lockstep("one", ["recover", ...PRODUCTION, "--if-open"])).exit).toBe(0);
  });

  it("takes one way at a time", async () => {
    const shop = await newShop("one");

    const { exit } = await shop.lockstep("one", ["recover", "--forward", "--retry", ...PRODUCTION]);

    expect(exit).toBe(2);
  });

  it("is done by a deploy that is told to", async () => {
    const shop = await newShop("one", "silent");
    await shop.lockstep("silent", DEPLOY);

    const { exit } = await shop.lockstep("one", [...DEPLOY, "--recover"]);

    expect(exit).toBe(0);
    expect(await contentsOf(shop)).toEqual(["one", "one"]);
  });
});

describe("the history", () => {
  it("tells how often, how fast and how well", async () => {
    const shop = await newShop("one", "broken");
    await shop.lockstep("one", DEPLOY);
    await shop.lockstep("broken", DEPLOY);

    const { exit, out } = await shop.lockstep("one", ["history", ...PRODUCTION, "--stats"]);

    expect(exit).toBe(0);
    expect(out).toMatch(/deploys +2\n.*live per week +1\.0\n.*\n.*failure rate +50 %\n/);
  });

  it("finds a record that was altered, exit 21", async () => {
    const shop = await newShop("one");
    await shop.lockstep("one", DEPLOY);
    const good = await shop.lockstep("one", ["history", ...PRODUCTION, "--verify"]);
    const [first] = documentOf(
      await shop.lockstep("one", ["history", ...PRODUCTION, "--output", "json"]),
    ) as unknown as { run: string }[];
    const file = join(shop.folder, ".lockstep/runs", first?.run ?? "", "00000002");
    await chmod(file, 0o600);
    await writeFile(file, (await readFile(file, "utf8")).replace('"epoch":1', '"epoch":2'));

    const bad = await shop.lockstep("one", ["history", ...PRODUCTION, "--verify"]);

    expect(good).toMatchObject({ exit: 0, out: "1 run read, 0 damaged\n" });
    expect(bad.exit).toBe(21);
    expect(bad.out).toContain(`${first?.run ?? ""}  Record 3 of the journal`);
  });
});

describe("unlock", () => {
  it("wants a reason, and says when nobody holds anything", async () => {
    const shop = await newShop("one");
    await shop.lockstep("one", DEPLOY);

    const bare = await shop.lockstep("one", ["unlock", ...PRODUCTION]);
    const free = await shop.lockstep("one", ["unlock", ...PRODUCTION, "--reason", "x"]);

    expect([bare.exit, free.exit]).toEqual([2, 0]);
    expect(free.out).toBe("Nobody holds production.\n");
  });
});

describe("what the config says", () => {
  it("is shown with its origin", async () => {
    const shop = await newShop("one");

    const { exit, out } = await shop.lockstep("one", ["config", ...PRODUCTION, "--origin"]);

    expect(exit).toBe(0);
    const rows = out.split("\n").map((row) => row.trim().split(/ {2,}/));
    expect(rows).toContainEqual(["project", "shop", "one.config.ts"]);
    expect(rows).toContainEqual(["environments.production.protected", "false", "default"]);
    expect(out).not.toContain("staging");
  });

  it("names the plugins and what they are used for", async () => {
    const shop = await newShop("one");

    const { out } = await shop.lockstep("one", ["plugins", "--output", "json"]);

    expect(JSON.parse(out)).toContainEqual(
      expect.objectContaining({ used: ["production.web", "staging.web"], api: 1 }),
    );
  });
});
