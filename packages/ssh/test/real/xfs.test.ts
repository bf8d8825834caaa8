import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, stat, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Disk, mountXfs } from "../disk.ts";
import { Shop, startHost, type TestHost } from "../world.ts";

const ONE = "20261121T101500Z-00000001";
const TWO = "20261121T101501Z-00000002";

/** Bytes of what does not change. */
const LARGE = 20_000_000;

/** Whether a file of this machine can be mounted; in some containers it cannot. */
const isMountable = await (async (): Promise<boolean> => {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-mount-"));
  const disk = await mountXfs(folder);
  const is = disk !== undefined;
  await disk?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
  return is;
})();

let host: TestHost;
let disk: Disk | undefined;
let root: string;
beforeAll(async () => {
  host = await startHost("dash");
  disk = await mountXfs(host.root);
  root = disk?.mount ?? host.root;
});
afterAll(async () => {
  await disk?.[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
});

/** Bytes that are still free, once all that was written has its place. */
async function free(): Promise<number> {
  execFileSync("sync", ["-f", root]);
  const { bavail, bsize } = await statfs(root);
  return bavail * bsize;
}

const kind = isMountable ? "that shares blocks" : "that shares no blocks";

describe(`a file system ${kind}`, () => {
  it(`takes ${isMountable ? "no room" : "room"} for what the next release has of the one before`, async () => {
    await using shop = await Shop.open(host, { path: join(root, "shop") });
    const big = randomBytes((LARGE / 4) * 3).toString("base64");
    const start = await free();
    await shop.deploy(ONE, { "big.bin": big, "index.html": "one" });
    const before = await free();
    await shop.deploy(TWO, { "big.bin": big, "index.html": "two" });
    const after = await free();

    expect(await shop.observe()).toEqual({
      link: `releases/${TWO}`,
      files: { "big.bin": big, "index.html": "two" },
    });
    const [one, two] = await Promise.all(
      [ONE, TWO].map((id) => stat(join(shop.path, "releases", id, "big.bin"))),
    );
    expect(two?.ino).not.toBe(one?.ino);
    if (isMountable) {
      expect(start - before).toBeGreaterThan(LARGE * 0.9);
      expect(before - after).toBeLessThan(LARGE * 0.1);
    }
  });
});
