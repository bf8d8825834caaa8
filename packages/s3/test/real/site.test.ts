import { hash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Rig } from "../rig.ts";
import { startWebsite, type Website } from "../website.ts";
import { seenInBrowser } from "./browser.ts";
import { buildIcons, EDITIONS, type Edition } from "./icons.ts";

const TYPES: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml; charset=utf-8",
};

const FOR_EVER = "public, max-age=31536000, immutable";

describe("a site of more than 10,000 files", { timeout: 300_000 }, () => {
  let rig: Rig;
  let website: Website;
  beforeAll(async () => {
    rig = await Rig.open();
    website = await startWebsite(rig.objects);
  });
  afterAll(async () => {
    await website[Symbol.asyncDispose]();
    await rig[Symbol.asyncDispose]();
  });

  const build = (name: Edition["name"]): Promise<void> =>
    buildIcons(join(rig.folder.path, "dist"), EDITIONS[name]);

  it("arrives byte for byte, with the headers of its kinds", async () => {
    await build("one");
    await rig.deploy();

    expect(await differences(rig)).toEqual([]);
    expect(rig.keys().length).toBeGreaterThan(10_000);
  });

  it("asks once when nothing changed, works less than a second, and says that it did not look", async () => {
    await using later = await rig.beside();
    const from = rig.sandbox.requests.length;
    const before = process.cpuUsage();

    await later.live();
    const { steps, unchanged } = await later.plan();

    const { user, system } = process.cpuUsage(before);
    expect({ steps, unchanged }).toEqual({ steps: [], unchanged: rig.keys().length });
    expect(rig.sandbox.requests.length - from).toBe(1);
    expect((user + system) / 1e6).toBeLessThan(1);
    expect(later.lines.join("")).toContain("its objects were not looked at");
  });

  it("is whole in a browser before, while and after it is replaced, and put back", async () => {
    const seen: (string | undefined)[] = [];
    const watch = visiting(async () => seen.push(await seenInBrowser(`${website.url}/`)));
    await watch.once();
    await build("two");
    const plan = await rig.plan();
    await rig.fence();
    const staged = await rig.apply(plan, "stage");
    const activated = await rig.apply(plan, "activate");
    await watch.once();
    const live = await differences(rig);
    await rig.revert([...staged, ...activated]);
    await watch.once();
    await watch.end();

    expect(live).toEqual([]);
    expect(new Set(seen)).toEqual(new Set(["one one 0", "two two 0"]));
    expect(website.failed).toEqual([]);
    process.stdout.write(
      `${seen.length} pages loaded, ${website.asked.length} requests, 0 failed\n`,
    );
  });
});

/** A visitor who comes again and again, and once more when told. */
function visiting(visit: () => Promise<unknown>): { once(): Promise<void>; end(): Promise<void> } {
  const over = new AbortController();
  let last: Promise<unknown> = Promise.resolve();
  const visits = async (): Promise<void> => {
    while (!over.signal.aborted) {
      last = visit();
      await last;
    }
  };
  const all = visits();
  return {
    async once() {
      await last;
      await visit();
    },
    async end() {
      over.abort();
      await all;
    },
  };
}

/** Where bucket and folder differ: bytes, type, and how long browsers may keep a file. */
async function differences(rig: Rig): Promise<string[]> {
  const root = join(rig.folder.path, "dist");
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const wanted = new Map<string, string>();
  for (const { parentPath, name } of files) {
    const path = relative(root, join(parentPath, name));
    const digest = hash("sha256", await readFile(join(parentPath, name)), "hex");
    const cache = path.startsWith("assets/") ? FOR_EVER : undefined;
    wanted.set(
      path,
      `${digest} ${TYPES[path.slice(path.lastIndexOf(".") + 1)]} ${cache ?? "asked again"}`,
    );
  }
  const found = new Map<string, string>();
  for (const key of rig.keys()) {
    const object = rig.objects.get(key);
    const cache = object?.headers["cache-control"];
    const digest = hash("sha256", object?.body ?? "", "hex");
    const kept = cache === FOR_EVER ? FOR_EVER : "asked again";
    found.set(key, `${digest} ${object?.headers["content-type"]} ${kept}`);
  }
  const isOlderAsset = (key: string): boolean => key.startsWith("assets/") && !wanted.has(key);
  return [...new Set([...wanted.keys(), ...found.keys()])]
    .filter((key) => !isOlderAsset(key) && wanted.get(key) !== found.get(key))
    .map((key) => `${key}: ${wanted.get(key)} / ${found.get(key)}`)
    .slice(0, 10);
}
