import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { LockstepError } from "@lockstep/plugin";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { RemoteHost } from "../../src/host.ts";
import { Shop, startHost, type TestHost } from "../world.ts";

const OURS = { lineage: "0f".repeat(16), epoch: 9, run: "run-9" };
const THEIRS = { lineage: "aa".repeat(16), epoch: 1, run: "run-1" };

/** Seconds after which a run that fell silent counts as gone. */
const LEASE = 60;

/** The goodbye is sent and not waited for; without it the sign would stay for the whole lease. */
const WITHIN = { timeout: 10_000, interval: 5 };

describe.each(["dash", "busybox"] as const)(
  "a run at work on %s",
  { timeout: 120_000 },
  (shell) => {
    let host: TestHost;
    beforeAll(async () => {
      host = await startHost(shell);
    });
    afterAll(async () => host[Symbol.asyncDispose]());
    afterEach(() => {
      vi.useRealTimers();
    });

    const stamps = (shop: Shop): Promise<string[]> => readdir(join(shop.path, ".lockstep/fence"));
    const signOf = async (shop: Shop): Promise<string> => {
      const [stamp = ""] = await stamps(shop);
      return join(shop.path, ".lockstep/fence", stamp, ".hb");
    };
    const fallSilent = async (shop: Shop, seconds: number): Promise<void> => {
      const then = Math.floor(Date.now() / 1000) - seconds;
      await writeFile(await signOf(shop), `${then} run-9 2026-11-21T10:15:00.000Z me@box\n`);
    };
    const failureOf = async (call: Promise<unknown>): Promise<LockstepError | undefined> =>
      call.then(
        () => undefined,
        (error: unknown) => (error as AggregateError).errors[0] as LockstepError,
      );

    it("is left alone by a run of another store, which says whom it met", async () => {
      await using shop = await Shop.open(host);
      await using other = await Shop.open(host, { path: shop.path });
      await shop.fence({ stamp: OURS });

      const failure = await failureOf(other.fence({ stamp: THEIRS }));

      expect(failure?.code).toBe("SSH_HOST_HELD");
      expect(failure?.message).toMatch(
        /is held by run run-9 \(\S+@\S+\) of another store, since \d{4}-\S+Z; its last sign of life came \d s ago\.$/,
      );
      expect(await stamps(shop)).toEqual([`${OURS.lineage}.9.run-9`]);
      expect(await failureOf(shop.fence({ stamp: OURS }))).toBeUndefined();
    });

    it.each(["ssh2", "openssh"] as const)(
      "lets nobody wait once it has ended (%s)",
      async (transport) => {
        await using other = await Shop.open(host);
        const { address, port, user, hostKey } = host.server;
        const hosts = [{ name: "web-1", address, port, user, hostKey }];
        await using shop = await Shop.open(host, { path: other.path, transport, hosts });
        await shop.fence({ stamp: OURS });
        const sign = await signOf(shop);
        expect((await stat(sign)).isFile()).toBe(true);

        await shop.connection[Symbol.asyncDispose]();

        await vi.waitFor(async () => expect(stat(sign)).rejects.toThrow("ENOENT"), WITHIN);
        await other.fence({ stamp: THEIRS });
        expect(await stamps(other)).toEqual([`${THEIRS.lineage}.1.run-1`]);
      },
    );

    it("says goodbye every time, though it waits for no answer", async () => {
      await using other = await Shop.open(host);
      for (let epoch = 1; epoch <= 20; epoch += 1) {
        await using shop = await Shop.open(host, { path: other.path });
        await shop.fence({ stamp: { ...OURS, epoch, run: `run-${epoch}` } });
        const sign = await signOf(shop);
        const asked = vi.spyOn(shop.connection.hosts[0] as RemoteHost, "runIfOpen");

        await shop.connection[Symbol.asyncDispose]();

        const answer = asked.mock.results[0]?.value as Promise<unknown>;
        expect(await answer).toBeUndefined();
        await vi.waitFor(async () => expect(stat(sign)).rejects.toThrow("ENOENT"), WITHIN);
      }
    });

    it("gives a sign of life every 15 s, until another run has the host", async () => {
      vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
      await using shop = await Shop.open(host);
      await using next = await Shop.open(host, { path: shop.path });
      await shop.fence({ stamp: OURS });
      const ageOf = async (): Promise<number> =>
        Math.floor(Date.now() / 1000) -
        Number.parseInt(await readFile(await signOf(shop), "utf8"), 10);
      await fallSilent(shop, LEASE - 1);

      vi.advanceTimersByTime(14_000);
      await shop.connection.hosts[0]?.runIfOpen({ text: ":", values: {} });
      expect(await ageOf()).toBeGreaterThan(LEASE - 2);
      vi.advanceTimersByTime(1000);
      await expect.poll(ageOf).toBeLessThan(5);
      expect(await failureOf(next.fence({ stamp: THEIRS }))).toMatchObject({
        code: "SSH_HOST_HELD",
      });

      await next.fence({ stamp: { ...OURS, epoch: 10, run: "run-10" } });
      await fallSilent(shop, LEASE - 1);
      await next.connection[Symbol.asyncDispose]();
      vi.advanceTimersByTime(15_000);
      await shop.connection.hosts[0]?.runIfOpen({ text: ":", values: {} });
      expect(
        await readdir(join(shop.path, ".lockstep/fence", `${OURS.lineage}.10.run-10`)),
      ).toEqual([]);
      const trash = await readdir(join(shop.path, ".lockstep/trash"));
      expect(trash.filter((name) => name.endsWith(".hb"))).toEqual([]);
    });

    it("that fell silent for longer than its lease is taken over, and can give no further sign", async () => {
      await using shop = await Shop.open(host);
      await using other = await Shop.open(host, { path: shop.path });
      await shop.fence({ stamp: OURS });

      await fallSilent(shop, LEASE - 5);
      expect(await failureOf(other.fence({ stamp: THEIRS }))).toMatchObject({
        code: "SSH_HOST_HELD",
        message: expect.stringContaining("run-9 (me@box)") as string,
      });
      await fallSilent(shop, LEASE + 1);
      await other.fence({ stamp: THEIRS });

      expect(await stamps(shop)).toEqual([`${THEIRS.lineage}.1.run-1`]);
      expect(await readFile(await signOf(shop), "utf8")).toContain(" run-1 ");
      expect(await failureOf(shop.fence({ stamp: { ...OURS, epoch: 10 } }))).toMatchObject({
        code: "SSH_HOST_HELD",
      });
    });

    it("whose sign lies in the future counts as alive, from then on for one lease", async () => {
      await using shop = await Shop.open(host);
      await using other = await Shop.open(host, { path: shop.path });
      await shop.fence({ stamp: OURS });
      await fallSilent(shop, -100 * LEASE);

      expect(await failureOf(other.fence({ stamp: THEIRS }))).toMatchObject({
        code: "SSH_HOST_HELD",
        message: expect.stringContaining("run-9 (me@box)") as string,
      });
      const [seconds] = (await readFile(await signOf(shop), "utf8")).split(" ");
      expect(Math.abs(Number(seconds) - Date.now() / 1000)).toBeLessThan(10);
      expect(await readFile(await signOf(shop), "utf8")).toMatch(/ run-9 \S+Z me@box\n$/);
    });

    it("that was killed is followed at once by a run of its own store", async () => {
      await using shop = await Shop.open(host);
      await using next = await Shop.open(host, { path: shop.path });
      await shop.fence({ stamp: OURS }); // and never says goodbye

      await next.fence({ stamp: { ...OURS, epoch: 10, run: "run-10" } });

      expect(await stamps(shop)).toEqual([`${OURS.lineage}.10.run-10`]);
      expect(await readFile(await signOf(shop), "utf8")).toContain(" run-10 ");
    });

    it("keeps its sign when old releases are removed", async () => {
      await using shop = await Shop.open(host);
      await shop.deploy("release-1", { "index.html": "one" });
      await shop.target.retires?.[0]?.retire({ path: shop.path, keep: 2 }, shop.context());

      expect((await stat(await signOf(shop))).isFile()).toBe(true);
    });
  },
);
