import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { deployOf } from "../process.ts";
import { newShop, type Shop } from "../shop.ts";

const PRODUCTION = ["-e", "production"];
const DEPLOY = ["deploy", "-y", ...PRODUCTION];

const mounted: string[] = [];

afterEach(() => {
  for (const folder of mounted.splice(0)) execFileSync("umount", ["--lazy", folder]);
});

/** Puts a small disk of its own below `.lockstep`. */
async function smallDisk({ folder }: Shop, size: string): Promise<string> {
  const state = join(folder, ".lockstep");
  await mkdir(state);
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size},mode=700`, "tmpfs", state]);
  mounted.push(state);
  return state;
}

async function contentsOf({ folder }: Shop): Promise<unknown> {
  const { units } = JSON.parse(await readFile(join(folder, "world.json"), "utf8")) as {
    readonly units: Record<string, { readonly live: { readonly content: string } | null }>;
  };
  return Object.values(units).map(({ live }) => live?.content);
}

describe("a disk that is full", () => {
  it("before the run: nothing is changed, exit 21, and the next deploy works", async () => {
    const shop = await newShop("one");
    const state = await smallDisk(shop, "16k");
    await writeFile(join(state, "filling"), Buffer.alloc(16 << 10)).catch(() => undefined);

    const full = await shop.lockstep("one", DEPLOY);
    await rm(join(state, "filling"));
    execFileSync("mount", ["-o", "remount,size=1m", state]);
    const roomy = await shop.lockstep("one", DEPLOY);

    expect([full.exit, roomy.exit]).toEqual([21, 0]);
    expect(full.err).toMatch(/STORE_UNREACHABLE.*ENOSPC/);
  });

  it.each([
    ["while it stages", "apply memory.stage/1 web-2"],
    ["after a pointer moved", "apply memory.activate/1 web-2"],
  ])("%s: everything is put back, exit 33, and recover closes the run", async (_, call) => {
    const shop = await newShop("one", "two");
    const state = await smallDisk(shop, "1m");
    await shop.lockstep("one", DEPLOY);
    await atCall(shop, "two", call, `fill(${JSON.stringify(join(state, "filling"))})`);

    const full = deployOf(shop, "two");
    const exit = await full.exit();
    const meanwhile = await contentsOf(shop);
    await rm(join(state, "filling"));
    const recovered = await shop.lockstep("one", ["recover", ...PRODUCTION]);

    expect(exit, full.err).toBe(33);
    expect(meanwhile).toEqual(["one", "one"]);
    expect(recovered.exit, recovered.err).toBe(0);
    expect(await contentsOf(shop)).toEqual(["one", "one"]);
    expect((await shop.lockstep("one", ["history", ...PRODUCTION, "--verify"])).exit).toBe(0);
  });
});

describe("state that cannot be written", () => {
  it("is an error before anything else, and can still be read", async () => {
    const shop = await newShop("one", "two");
    const state = await smallDisk(shop, "1m");
    await shop.lockstep("one", DEPLOY);
    execFileSync("mount", ["-o", "remount,ro", state]);

    const refused = await shop.lockstep("two", DEPLOY);
    const status = await shop.lockstep("one", ["status", ...PRODUCTION]);

    expect(refused.exit).toBe(21);
    expect(refused.err).toMatch(/STORE_UNREACHABLE.*EROFS/);
    expect(status.exit).toBe(0);
    expect(await contentsOf(shop)).toEqual(["one", "one"]);
  });
});

describe("state that is deleted", () => {
  it("while a run goes on is noticed, and everything is put back, exit 33", async () => {
    const shop = await newShop("one", "two");
    await shop.lockstep("one", DEPLOY);
    const state = join(shop.folder, ".lockstep");
    const remove = `(await import("node:fs/promises")).rm(${JSON.stringify(state)}, { recursive: true })`;
    await atCall(shop, "two", "apply memory.activate/1 web-1", `await ${remove}`);

    const ran = await shop.lockstep("two", DEPLOY);

    expect(ran.exit, ran.err).toBe(33);
    expect(await contentsOf(shop)).toEqual(["one", "one"]);
    // Whatever was lost, the targets know that another store has counted.
    expect((await shop.lockstep("two", DEPLOY)).exit).toBe(21);
    await shop.holds("three");
    const adopted = await shop.lockstep("three", [...DEPLOY, "--adopt"]);
    expect(adopted.exit, adopted.err).toBe(0);
    expect(await contentsOf(shop)).toEqual(["three", "three"]);
  });
});

describe("twenty processes", () => {
  it("that deploy at once take turns: the history is complete, and no epoch comes twice", async () => {
    const contents = Array.from({ length: 20 }, (_, index) => `c${index}`);
    const shop = await newShop(...contents);

    const ended = await Promise.all(
      contents.map(async (content) => {
        await ownWorld(shop, content);
        const ran = deployOf(shop, content, "--lock-wait", "5m");
        return { exit: await ran.exit(), err: ran.err };
      }),
    );

    expect(ended.filter(({ exit }) => exit !== 0)).toEqual([]);
    const runs = (await readdir(join(shop.folder, ".lockstep/runs"))).toSorted();
    const epochs = runs.map((run) => Number(run.split("-")[1]));
    expect(epochs).toEqual(contents.map((_, index) => index + 1));
    const words = ["history", ...PRODUCTION, "--limit", "50", "--output", "json"];
    const history = await shop.lockstep("c0", words);
    const entries = JSON.parse(history.out) as { readonly result: string }[];
    expect(entries.map(({ result }) => result)).toEqual(contents.map(() => "done"));
    expect((await shop.lockstep("c0", ["history", ...PRODUCTION, "--verify"])).exit).toBe(0);
  }, 300_000);
});

describe("a holder that is suspended", () => {
  it("is taken over when its lease has run out, and writes nothing when it wakes, exit 35", async () => {
    const shop = await newShop("one", "slow");
    for (const content of ["one", "slow"]) await shortLease(shop, content);
    await shop.lockstep("one", DEPLOY);
    const ran = deployOf(shop, "slow");
    await ran.says("Staging");
    ran.child.kill("SIGSTOP");
    await shop.goesOn();

    const held = await shop.lockstep("one", ["recover", ...PRODUCTION]);
    const taken = await shop.lockstep("one", ["recover", ...PRODUCTION, "--lock-wait", "1m"]);
    ran.child.kill("SIGCONT");
    const exit = await ran.exit();

    expect([held.exit, taken.exit], taken.err).toEqual([23, 0]);
    expect(exit).toBe(35);
    expect(await contentsOf(shop)).toEqual(["one", "one"]);
  }, 60_000);
});

/** A world in a file takes one process at a time. */
async function ownWorld(shop: Shop, content: string): Promise<void> {
  const config = await readFile(shop.file(content), "utf8");
  await writeFile(shop.file(content), config.replace("/world.json", `/${content}.json`));
}

async function shortLease(shop: Shop, content: string): Promise<void> {
  const config = await readFile(shop.file(content), "utf8");
  await writeFile(
    shop.file(content),
    config.replaceAll("localStore()", "localStore({ ttlMs: 2000 })"),
  );
}

/** Adds code to a config that runs right before a call of the target. */
async function atCall(shop: Shop, content: string, call: string, code: string): Promise<void> {
  const config = await readFile(shop.file(content), "utf8");
  const hook = `if (time === "before" && call === ${JSON.stringify(call)}) { ${code}; }`;
  const fill = `
function fill(file) {
  const { openSync, writeSync } = process.getBuiltinModule("node:fs");
  const filling = openSync(file, "w");
  try { for (;;) writeSync(filling, Buffer.alloc(4096)); } catch {}
}
`;
  await writeFile(
    shop.file(content),
    fill + config.replace("world.on = async (call, time) => {", (start) => `${start} ${hook}`),
  );
}
