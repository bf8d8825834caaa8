import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildIcons, EDITIONS, type Edition } from "../real/icons.ts";
import { RoutedRig } from "./routed-rig.ts";

describe("a site of more than 10,000 files behind the router", { timeout: 600_000 }, () => {
  let world: RoutedRig;
  beforeAll(async () => {
    world = await RoutedRig.open();
  });
  afterAll(async () => world[Symbol.asyncDispose]());

  const root = (): string => join(world.rig.folder.path, "dist");
  const build = (name: Edition["name"]): Promise<void> => buildIcons(root(), EDITIONS[name]);

  /** Every file of a folder, by its path. */
  async function filesBelow(folder: string): Promise<Map<string, string>> {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = new Map<string, string>();
    for (const { parentPath, name } of entries.filter((entry) => entry.isFile())) {
      const path = join(parentPath, name);
      files.set(relative(folder, path), await readFile(path, "utf8"));
    }
    return files;
  }

  /** Paths that visitors get otherwise than they are to. */
  async function wrong(files: ReadonlyMap<string, string>): Promise<string[]> {
    const found: string[] = [];
    for (const [path, text] of files) {
      const { status, body } = await world.edge.visit(`/${path}`);
      if (status !== 200 || body !== text) found.push(`${path}: ${status}`);
    }
    return found;
  }

  it("is what every visitor gets, file by file, of one release, then of the next, then of the first", async () => {
    const { rig, edge } = world;
    await build("one");
    await rig.deploy();
    const one = await filesBelow(root());
    expect(one.size).toBeGreaterThan(10_000);
    expect(await wrong(one)).toEqual([]);

    await build("two");
    const two = await filesBelow(root());
    const plan = await rig.plan();
    await rig.fence();
    await rig.apply(plan, "stage");
    expect(await wrong(one)).toEqual([]);
    const done = await rig.apply(plan, "activate");
    expect(await wrong(two)).toEqual([]);
    const gone = [...one.keys()].filter((path) => !two.has(path) && !path.startsWith("assets/"));
    expect(gone).toHaveLength(EDITIONS.two.removed);
    for (const path of gone) expect((await edge.visit(`/${path}`)).status).toBe(404);

    expect(await rig.revert(done)).toEqual(["restored"]);
    expect(await wrong(one)).toEqual([]);
  });

  it("asks neither for a list nor for a file when nothing changed", async () => {
    const { rig, store } = world;
    await build("one");
    await using later = await world.beside({});
    const [asked, read] = [rig.sandbox.requests.length, store.requests.length];

    await later.live();
    const { steps } = await later.plan();

    expect(steps).toEqual([]);
    expect(rig.sandbox.requests.length - asked).toBeLessThanOrEqual(1);
    expect(store.requests.length - read).toBeLessThanOrEqual(4);
  });
});
