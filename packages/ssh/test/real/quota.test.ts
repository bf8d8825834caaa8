import { randomBytes } from "node:crypto";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Allotment, mountQuota } from "../disk.ts";
import { failureOf } from "../failure.ts";
import { Shop, startHost, stateOf, type TestHost } from "../world.ts";

const ONE = "20261121T101500Z-00000001";
const TWO = "20261121T101501Z-00000002";
const MIB = 1_048_576;

/** MiB that the account may have. */
const QUOTA = 6;

describe.each(["dash", "busybox"] as const)("a quota on %s", { timeout: 60_000 }, (shell) => {
  let host: TestHost;
  let disk: Allotment;
  beforeAll(async () => {
    host = await startHost(shell);
    disk = await mountQuota(host.root, QUOTA);
  });
  afterAll(async () => {
    await disk[Symbol.asyncDispose]();
    await host[Symbol.asyncDispose]();
  });

  /** Takes all the room that is left. */
  async function fill(): Promise<() => Promise<void>> {
    const ballast = join(disk.mount, "ballast");
    let bytes = MIB;
    for (let n = 0; bytes > 0; n += 1) {
      const isFull = await writeFile(`${ballast}-${n}`, randomBytes(bytes)).then(
        () => false,
        () => true,
      );
      if (isFull) bytes = bytes > 4096 ? bytes / 4 : 0;
    }
    const names = (await readdir(disk.mount)).filter((name) => name.startsWith("ballast"));
    return async () => {
      for (const name of names) await rm(join(disk.mount, name));
    };
  }

  it("that is used up while files arrive leaves what is live alone, and the run is put back", async () => {
    await using shop = await Shop.open(host, { path: join(disk.mount, "arriving") });
    await shop.deploy(ONE, { "index.html": "one" });
    // the host cannot say in the plan how much of its room the account may have
    const parts = Array.from({ length: 5 }, (_, n) => [
      `${n}.bin`,
      randomBytes(MIB).toString("base64"),
    ]);
    await shop.build(Object.fromEntries(parts) as Record<string, string>);
    const [upload] = await shop.planPair(TWO);

    expect(await failureOf(shop.apply(upload))).toMatchObject({
      code: "SSH_DISK_FULL",
      message: expect.stringContaining(disk.words) as string,
    });

    expect(await stateOf(shop.path, TWO)).not.toBe("ready");
    expect(await shop.observe()).toEqual({
      link: `releases/${ONE}`,
      files: { "index.html": "one" },
    });
    expect(await shop.revert(upload, null)).toBe("restored");
    expect(await readdir(join(shop.path, "releases"))).toEqual([ONE]);
  });

  it("that is used up after the link moved does not keep a host from going back", async () => {
    await using shop = await Shop.open(host, { path: join(disk.mount, "live") });
    await shop.deploy(ONE, { "index.html": "one" });
    await shop.build({ "index.html": "two" });
    const [upload, activate] = await shop.planPair(TWO);
    const before = await shop.apply(upload);
    const previous = await shop.apply(activate);
    expect(await shop.observe()).toMatchObject({ files: { "index.html": "two" } });
    const free = await fill();

    expect(await shop.revert(activate, previous)).toBe("restored");

    expect(await shop.observe()).toMatchObject({ files: { "index.html": "one" } });
    await free();
    expect(await shop.revert(upload, before)).toBe("restored");
    expect(await readdir(join(shop.path, "releases"))).toEqual([ONE]);
  });
});
