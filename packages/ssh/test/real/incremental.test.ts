import { randomBytes } from "node:crypto";
import { chmod, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type FaultProxy, startFaultProxy } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { contents, Shop, startHost, type TestHost } from "../world.ts";

const ONE = "20261121T101500Z-00000001";
const TWO = "20261121T101501Z-00000002";
const THREE = "20261121T101502Z-00000003";

/** What compression cannot make smaller. */
const large = (): string => randomBytes(100_000).toString("base64");

describe.concurrent.each(["dash", "busybox"] as const)(
  "an upload to %s after another release",
  { timeout: 120_000 },
  (kind) => {
    let host: TestHost;
    beforeAll(async () => {
      host = await startHost(kind);
    });
    afterAll(async () => host[Symbol.asyncDispose]());

    /** Counts what one shop sends. */
    const startProxy = (): Promise<FaultProxy> =>
      startFaultProxy({ host: "127.0.0.1", port: host.server.port });

    async function openShop(
      { port }: { readonly port: number } = host.server,
      base: "copy" | "link" | "none" = "copy",
    ): Promise<Shop> {
      const { user, hostKey } = host.server;
      const hosts = [{ name: "web-1", address: "127.0.0.1", port, user, hostKey }];
      return Shop.open(host, { hosts, base });
    }

    it("sends what changed, and takes the rest from the release before", async () => {
      await using proxy = await startProxy();
      await using shop = await openShop(proxy);
      const files = { "big.bin": large(), "a b/$(x)/it's": "same", "old.txt": "old" };
      await shop.deploy(ONE, files);
      const next = {
        "big.bin": files["big.bin"],
        "a b/$(x)/it's": "same",
        "new.sh": "#!/bin/sh\n",
      };
      const start = proxy.transferred.up;
      await shop.deploy(TWO, next);

      expect(proxy.transferred.up - start).toBeLessThan(40_000);
      expect(await shop.observe()).toEqual({ link: `releases/${TWO}`, files: next });
      const [before, now] = [ONE, TWO].map((id) => join(shop.path, "releases", id, "big.bin"));
      expect((await stat(now ?? "")).ino).not.toBe((await stat(before ?? "")).ino);
      expect(await contents(join(shop.path, "releases", ONE))).toEqual(files);
    });

    it("sends nothing of a content that the host has under another name", async () => {
      await using proxy = await startProxy();
      await using shop = await openShop(proxy);
      const files = { "big.bin": large() };
      await shop.deploy(ONE, files);
      await shop.deploy(TWO, { "other.bin": "x" });
      const start = proxy.transferred.up;

      await shop.deploy(THREE, files);

      expect(proxy.transferred.up - start).toBeLessThan(40_000);
      expect(await shop.observe()).toEqual({ link: `releases/${THREE}`, files });
    });

    it.each([
      ["altered", (file: string) => writeFile(file, "altered")],
      ["emptied", (file: string) => writeFile(file, "")],
      ["removed", (file: string) => rm(file)],
      ["made executable", (file: string) => chmod(file, 0o755)],
      ["closed to others", (file: string) => chmod(file, 0o600)],
      ["replaced by a link", (file: string) => rm(file).then(() => symlink("big.bin", file))],
    ])("repairs a file that somebody %s on the host", async (_, damage) => {
      await using shop = await openShop();
      const files = { "big.bin": large(), "index.html": "one", "page.html": "p" };
      await shop.deploy(ONE, files);
      await damage(join(shop.path, "releases", ONE, "page.html"));
      await writeFile(join(shop.path, "releases", ONE, "debug.log"), "not ours");

      await shop.deploy(TWO, { ...files, "index.html": "two" });

      expect(await shop.observe()).toEqual({
        link: `releases/${TWO}`,
        files: { ...files, "index.html": "two" },
      });
      const { mode } = await stat(join(shop.path, "current/page.html"));
      expect(mode & 0o777).toBe(0o644);
      expect(await readdir(join(shop.path, "current"))).toEqual(Object.keys(files));
    });

    it("starts from what is live by then, when that is another release than was planned with", async () => {
      await using shop = await openShop();
      await using other = await Shop.open(host, { path: shop.path });
      const files = { "big.bin": large(), "index.html": "one" };
      await shop.deploy(ONE, files);
      await shop.build({ ...files, "index.html": "three" });
      const [upload, activate] = await shop.planPair(THREE);
      other.epoch = shop.epoch + 1;
      await other.deploy(TWO, { "big.bin": files["big.bin"], "other.html": "two" });
      shop.epoch = other.epoch + 1;

      await shop.fence();
      await shop.apply(upload);
      await shop.apply(activate);

      const whole = { ...files, "index.html": "three" };
      expect(await shop.observe()).toEqual({ link: `releases/${THREE}`, files: whole });
    });

    it("brings what is large in several parts, first and later, and repairs it", async () => {
      await using shop = await openShop();
      const many = Array.from({ length: 12 }, (_, index) => `part-${index}/of/a.bin`);
      const all = (): Record<string, string> =>
        Object.fromEntries(many.map((name) => [name, randomBytes(600_000).toString("base64")]));
      const first = { ...all(), "same.txt": "same" };
      await shop.deploy(ONE, first);
      expect(await shop.observe()).toEqual({ link: `releases/${ONE}`, files: first });
      await writeFile(join(shop.path, "releases", ONE, "same.txt"), "altered");
      const second = { ...all(), "same.txt": "same" };

      await shop.deploy(TWO, second);

      expect(await shop.observe()).toEqual({ link: `releases/${TWO}`, files: second });
    });

    it.each([
      ["many", 1100, 10],
      ["large", 33, 1_100_000],
    ])("repairs both the first and the last of files that are %s", async (_, count, bytes) => {
      await using shop = await openShop();
      const names = Array.from({ length: count }, (__, at) => `f${String(at).padStart(4, "0")}`);
      const files = Object.fromEntries(names.map((name) => [name, name.padEnd(bytes, ".")]));
      await shop.deploy(ONE, files);
      const damaged = [names[0] ?? "", names.at(-1) ?? ""];
      for (const name of damaged) {
        await writeFile(join(shop.path, "releases", ONE, name), "?".repeat(bytes));
      }

      await shop.deploy(TWO, { ...files, "index.html": "two" });

      expect(await shop.observe()).toEqual({
        link: `releases/${TWO}`,
        files: { ...files, "index.html": "two" },
      });
    });

    it("starts from nothing when it is told to", async () => {
      await using proxy = await startProxy();
      await using shop = await openShop(proxy, "none");
      const files = { "big.bin": large(), "index.html": "one" };
      await shop.deploy(ONE, files);
      const start = proxy.transferred.up;

      await shop.deploy(TWO, { ...files, "index.html": "two" });

      expect(proxy.transferred.up - start).toBeGreaterThan(90_000);
    });

    it("works where the manifest of the release before is gone", async () => {
      await using shop = await openShop();
      await shop.deploy(ONE, { "index.html": "one", "a.txt": "a" });
      await writeFile(join(shop.path, ".lockstep/meta", ONE, "manifest"), "torn");

      await shop.deploy(TWO, { "index.html": "two", "a.txt": "a" });

      expect(await shop.observe()).toMatchObject({ files: { "index.html": "two", "a.txt": "a" } });
    });

    it("shares files with the release before on request, where cp can", async () => {
      await using shop = await openShop(host.server, "link");
      await shop.deploy(ONE, { "same.txt": "same", "index.html": "one" });
      await shop.deploy(TWO, { "same.txt": "same", "index.html": "two" });

      const inode = async (id: string, name: string): Promise<number> =>
        (await stat(join(shop.path, "releases", id, name))).ino;
      const isShared = (await inode(TWO, "same.txt")) === (await inode(ONE, "same.txt"));
      expect(isShared).toBe(kind === "dash");
      expect(await shop.observe()).toMatchObject({ files: { "same.txt": "same" } });
      expect(await inode(TWO, "index.html")).not.toBe(await inode(ONE, "index.html"));
    });
  },
);
