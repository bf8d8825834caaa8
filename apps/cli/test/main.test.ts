import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { deployOf, Process } from "./process.ts";
import { newShop } from "./shop.ts";

/** Runs inside the process before it begins. */
function preload(code: string): readonly string[] {
  return ["--import", `data:text/javascript,${encodeURIComponent(code)}`];
}

describe("the process", () => {
  it.each(["--version", "--help", "deploy --help"])(
    "with %s loads only what it needs for that",
    async (words) => {
      const node = preload(`
      import { registerHooks } from "node:module";
      registerHooks({ load(url, context, next) {
        if (url.startsWith("file:")) process.stderr.write("LOADED " + url + "\\n");
        return next(url, context);
      } });
    `);

      const ran = new Process(words.split(" "), { node });

      expect(await ran.exit()).toBe(0);
      const loaded = [...ran.err.matchAll(/^LOADED \S*\/(node_modules\/[^.]\S*|src\/\S+)$/gm)].map(
        ([, path = ""]) => path.replace(/^.*node_modules\/([^/]+)\/.*$/, "$1"),
      );
      expect([...new Set(loaded)].toSorted()).toEqual([
        "commander",
        "src/duration.ts",
        "src/heap.ts",
        "src/main.ts",
        "src/program.ts",
      ]);
    },
  );

  it("on a Node that is too old says so and does nothing", async () => {
    const node = preload(
      `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "22.17.9" } });`,
    );

    const ran = new Process(["--version"], { node });

    expect(await ran.exit()).toBe(2);
    expect(ran).toMatchObject({
      out: "",
      err: "NODE_TOO_OLD  This is Node 22.17.9; Lockstep needs 22.18 or later.\n",
    });
  });

  it("deploys to the end when nobody reads what it prints", async () => {
    const shop = await newShop("slow");
    const ran = deployOf(shop, "slow", "-v");
    ran.child.stdout.destroy();
    ran.child.stderr.destroy();
    await shop.goesOn();

    expect(await ran.exit()).toBe(0);

    const world = await readFile(join(shop.folder, "world.json"), "utf8");
    expect(JSON.parse(world)).toMatchObject({ units: { "web-2": { live: { content: "slow" } } } });
  });

  it("that waits for what cannot happen any more says so, and ends with 1", async () => {
    const shop = await newShop();
    await writeFile(shop.file("never"), "await new Promise(() => {});\nexport default {};\n");

    const ran = deployOf(shop, "never");

    expect(await ran.exit()).toBe(1);
    expect(ran.err).toMatch(
      /^UNEXPECTED {2}Lockstep waits for the config never\.config\.ts to be loaded, and nothing is left/,
    );
  });

  it("that waits for a store that never answers names its plugin", async () => {
    const shop = await newShop();
    await shop.holds("one");
    const config = (await readFile(shop.file("one"), "utf8")).replace(
      "production: { store: localStore()",
      'production: { store: { ...localStore(), within: undefined, "~lockstep": { api: 1, plugin: "@acme/store", version: "1.0.0" }, place: "acme://state", get: () => new Promise(() => {}) }',
    );
    await writeFile(shop.file("one"), config);

    const ran = deployOf(shop, "one");

    expect(await ran.exit()).toBe(1);
    expect(ran.err).toContain("Lockstep waits for the store of @acme/store (acme://state)");
  });

  it("ends although a plugin left something open, and says what", async () => {
    const shop = await newShop("one");
    const config = await readFile(shop.file("one"), "utf8");
    await writeFile(shop.file("one"), `${config}\nsetInterval(() => {}, 60_000);\n`);

    const ran = deployOf(shop, "one");

    expect(await ran.exit()).toBe(0);
    expect(ran.err).toContain("A plugin left something open (");
    expect(ran.err).toContain("Timeout");
  });
});

describe("a signal", () => {
  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s while it stages ends a deploy safely, with %d", async (signal, exit) => {
    const shop = await newShop("slow");
    const ran = deployOf(shop, "slow", "--events", "events.ndjson");
    await ran.says("Staging");

    ran.child.kill(signal);
    await ran.says("Stopping safely");
    await shop.goesOn();

    expect(await ran.exit()).toBe(exit);
    expect(ran.err).toContain("Stopping safely; a second signal leaves at once.");
    expect(ran.err).toContain("users saw nothing");
    const status = await shop.lockstep("slow", ["status", "-e", "production", "--output", "json"]);
    expect(JSON.parse(status.out)).not.toHaveProperty("openRun");
  });

  it("that comes a second time ends it at once", async () => {
    const shop = await newShop("slow");
    const tookMs: number[] = [];
    // Whoever waits for something does so every time; a busy machine does not.
    while (tookMs.length < 3 && !tookMs.some((ms) => ms < 1000)) {
      const ran = deployOf(shop, "slow", "--recover");
      await ran.says("Staging");

      ran.child.kill("SIGINT");
      await ran.says("Stopping safely");
      const begun = performance.now();
      ran.child.kill("SIGINT");

      expect(await ran.exit()).toBe(130);
      tookMs.push(performance.now() - begun);
    }
    expect(Math.min(...tookMs)).toBeLessThan(1000);
  });
});
