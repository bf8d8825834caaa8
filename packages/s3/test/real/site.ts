import { hash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inParallel } from "../../src/parallel.ts";
import { startFront } from "../front.ts";
import { Rig } from "../rig.ts";
import { type ServedObject, startWebsite, type Website } from "../website.ts";
import { Folder } from "../world.ts";
import { seenInBrowser } from "./browser.ts";
import { openGateway } from "./gateway.ts";
import { buildIcons, EDITIONS, type Edition } from "./icons.ts";

const TYPES: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml; charset=utf-8",
};

const FOR_EVER = "public, max-age=31536000, immutable";

const FRESH = "public, max-age=0, must-revalidate";

/** A site, and its bucket as somebody sees it who knows nothing of the plugin. */
export interface Place extends AsyncDisposable {
  readonly rig: Rig;
  readonly bucket: string;
  keys(): Promise<string[]>;
  get(key: string): Promise<ServedObject | undefined>;
}

/** A bucket of the sandbox server. */
export async function inSandbox(): Promise<Place> {
  const rig = await Rig.open();
  return {
    rig,
    bucket: "shop",
    keys: async () => [...rig.objects.keys()],
    get: async (key) => rig.objects.get(key),
    [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose](),
  };
}

/** A bucket of the real server. */
export async function onGateway(): Promise<Place> {
  const gateway = await openGateway();
  const bucket = await gateway.bucket();
  const folder = await Folder.open();
  const rig = await Rig.join({ server: gateway, folder, owned: [gateway, folder] }, { bucket });
  return {
    rig,
    bucket,
    keys: () => gateway.keys(bucket),
    get: (key) => gateway.get(bucket, key),
    [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose](),
  };
}

/** Deploys a real site to a server, compares all of it, and visits it meanwhile. */
export function describeSite(server: string, open: () => Promise<Place>): void {
  describe(`a site of more than 10,000 files on ${server}`, { timeout: 600_000 }, () => {
    let place: Place;
    let rig: Rig;
    let website: Website;
    beforeAll(async () => {
      place = await open();
      ({ rig } = place);
      website = await startWebsite(place);
    }, 60_000);
    afterAll(async () => {
      await website[Symbol.asyncDispose]();
      await place[Symbol.asyncDispose]();
    });

    const build = (name: Edition["name"]): Promise<void> =>
      buildIcons(join(rig.folder.path, "dist"), EDITIONS[name]);

    it("arrives byte for byte, with the headers of its kinds", async () => {
      await build("one");
      await rig.deploy();

      expect(await differences(place)).toEqual([]);
      expect((await siteKeys(place)).length).toBeGreaterThan(10_000);
    });

    it("asks once when nothing changed, works less than a second, and says that it did not look", async () => {
      await using front = await startFront(rig.server);
      const { bucket } = place;
      await using later = await Rig.join({ server: front, folder: rig.folder }, { bucket });
      const before = process.cpuUsage();

      await later.live();
      const { steps, unchanged } = await later.plan();

      const { user, system } = process.cpuUsage(before);
      expect({ steps, unchanged }).toEqual({
        steps: [],
        unchanged: (await siteKeys(place)).length,
      });
      expect(front.asked).toHaveLength(1);
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
      const live = await differences(place);
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
}

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

/** Keys without Lockstep's own. */
async function siteKeys(place: Place): Promise<string[]> {
  return (await place.keys()).filter((key) => !key.startsWith(".lockstep/"));
}

/** Where bucket and folder differ: bytes, type, how long browsers may keep a file, and its mark. */
async function differences(place: Place): Promise<string[]> {
  const root = join(place.rig.folder.path, "dist");
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const wanted = new Map<string, string>();
  for (const { parentPath, name } of entries.filter((entry) => entry.isFile())) {
    const path = relative(root, join(parentPath, name));
    const digest = hash("sha256", await readFile(join(parentPath, name)), "hex");
    const cache = path.startsWith("assets/") ? FOR_EVER : FRESH;
    const type = TYPES[path.slice(path.lastIndexOf(".") + 1)];
    wanted.set(path, `${digest} ${type} ${cache} ${digest}`);
  }
  const found = new Map<string, string>();
  const keys = await siteKeys(place);
  await inParallel(keys, 64, async (key) => {
    const { body, headers } = (await place.get(key)) ?? { body: "", headers: {} };
    const named = ["content-type", "cache-control", "x-amz-meta-lockstep"].map(
      (name) => (headers as Record<string, string>)[name],
    );
    found.set(key, [hash("sha256", body, "hex"), ...named].join(" "));
  });
  const isOlderAsset = (key: string): boolean => key.startsWith("assets/") && !wanted.has(key);
  return [...new Set([...wanted.keys(), ...found.keys()])]
    .filter((key) => !isOlderAsset(key) && wanted.get(key) !== found.get(key))
    .map((key) => `${key}: ${wanted.get(key)} / ${found.get(key)}`)
    .slice(0, 10);
}
