import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Disk, mountDisk } from "../disk.ts";
import { Shop, startHost, type TestHost } from "../world.ts";

const ONE = "20261121T101500Z-00000001";
const TWO = "20261121T101501Z-00000002";

/** Bytes of what does not change. */
const LARGE = 20_000_000;

let host: TestHost;
let disk: Disk;
beforeAll(async () => {
  host = await startHost("dash");
  disk = await mountDisk(host.root);
});
afterAll(async () => {
  await disk[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
});

/** Bytes that are still free, once all that was written has its place. */
async function free(): Promise<number> {
  execFileSync("sync", ["-f", disk.mount]);
  const { bavail, bsize } = await statfs(disk.mount);
  return bavail * bsize;
}

describe("a release on a disk of its own", () => {
  it("takes no room for what the one before has, exactly where the file system shares blocks", async () => {
    await using shop = await Shop.open(host, { path: join(disk.mount, "shop") });
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
    expect(start - before).toBeGreaterThan(LARGE * 0.9);
    expect(before - after < LARGE * 0.1).toBe(disk.sharesBlocks);
  });
});
