import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { newShop, type Shop } from "./shop.ts";

const MAIN = join(import.meta.dirname, "../src/main.ts");

/** A command in a process of its own, from source. */
class Process {
  readonly child: ChildProcessWithoutNullStreams;
  out = "";
  err = "";
  readonly #ended: Promise<unknown>;

  constructor(words: readonly string[], { cwd = "/", node = [] as readonly string[] } = {}) {
    this.child = spawn(
      process.execPath,
      ["--conditions=@lockstep/source", ...node, MAIN, ...words],
      { cwd },
    );
    this.child.stdout.setEncoding("utf8").on("data", (text: string) => (this.out += text));
    this.child.stderr.setEncoding("utf8").on("data", (text: string) => (this.err += text));
    this.#ended = once(this.child, "close");
  }

  async exit(): Promise<number | null> {
    await this.#ended;
    return this.child.exitCode;
  }

  async says(text: string): Promise<void> {
    while (!this.err.includes(text)) await once(this.child.stderr, "data");
  }
}

function deployOf(shop: Shop, content: string, ...more: string[]): Process {
  const words = ["deploy", "-y", "-e", "production", "-c", `${content}.config.ts`, ...more];
  return new Process(words, { cwd: shop.folder });
}

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
  }, 15_000);
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

    expect(await ran.exit()).toBe(exit);
    expect(ran.err).toContain("Stopping safely; a second signal leaves at once.");
    expect(ran.err).toContain("users saw nothing");
    const status = await shop.lockstep("slow", ["status", "-e", "production", "--output", "json"]);
    expect(JSON.parse(status.out)).not.toHaveProperty("openRun");
  });

  it("that comes a second time ends it at once", async () => {
    const shop = await newShop("endless");
    const ran = deployOf(shop, "endless");
    await ran.says("Staging");

    ran.child.kill("SIGINT");
    await ran.says("Stopping safely");
    const begun = performance.now();
    ran.child.kill("SIGINT");

    expect(await ran.exit()).toBe(130);
    expect(performance.now() - begun).toBeLessThan(1000);
  });
});
