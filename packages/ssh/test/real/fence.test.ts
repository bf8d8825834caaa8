import { readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runUserCommand } from "../../src/user-command.ts";
import { Shop, startHost, type TestHost } from "../world.ts";

const ONE = "20261121T101500Z-00000001";
const TWO = "20261121T101501Z-00000002";
const LINEAGE = "0f".repeat(16);

describe.concurrent.each(["dash", "busybox"] as const)(
  "fencing on %s",
  { timeout: 120_000 },
  (shell) => {
    let host: TestHost;
    beforeAll(async () => {
      host = await startHost(shell);
    });
    afterAll(async () => host[Symbol.asyncDispose]());

    const stamps = (shop: Shop): Promise<string[]> => readdir(join(shop.path, ".lockstep/fence"));
    const codesOf = async (call: Promise<unknown>): Promise<string[]> => {
      const failure = await call.then(
        () => undefined,
        (error: unknown) => error,
      );
      if (failure === undefined) return [];
      const leaves = failure instanceof AggregateError ? failure.errors : [failure];
      return leaves.map((leaf: { code?: string }) => leaf.code ?? "none");
    };

    it("refuses an older epoch, and another run of the same one", async () => {
      await using shop = await Shop.open(host);
      const fence = (epoch: number, run: string) =>
        codesOf(shop.fence({ stamp: { lineage: LINEAGE, epoch, run } }));

      expect(await fence(3, "run-3")).toEqual([]);
      expect(await fence(3, "run-3")).toEqual([]);
      expect(await fence(2, "run-2")).toEqual(["FENCED"]);
      expect(await fence(3, "rival")).toEqual(["FENCED"]);
      expect(await stamps(shop)).toEqual([`${LINEAGE}.3.run-3`]);
      expect(await fence(4, "run-3")).toEqual([]);
      expect(await stamps(shop)).toEqual([`${LINEAGE}.4.run-3`]);
    });

    it("lets a run of another lineage take over: whether it may was decided before", async () => {
      await using shop = await Shop.open(host);
      await shop.fence({ stamp: { lineage: LINEAGE, epoch: 9, run: "run-9" } });

      await shop.fence({ stamp: { lineage: "aa".repeat(16), epoch: 1, run: "run-1" } });

      expect(await stamps(shop)).toEqual([`${"aa".repeat(16)}.1.run-1`]);
    });

    it.each(["first", "next"])(
      "has one winner when 25 runs race for the %s stamp",
      async (which) => {
        await using shop = await Shop.open(host);
        if (which === "next") await shop.fence();
        const rivals = await Promise.all(
          Array.from({ length: 25 }, () => Shop.open(host, { path: shop.path })),
        );
        const results = await Promise.all(
          rivals.map((rival, index) =>
            codesOf(rival.fence({ stamp: { lineage: LINEAGE, epoch: 5, run: `rival-${index}` } })),
          ),
        );
        for (const rival of rivals) {
          await rival.connection[Symbol.asyncDispose]();
          await rm(rival.folder, { recursive: true });
        }

        const winners = results.flatMap((codes, index) => (codes.length === 0 ? [index] : []));
        expect(winners).toHaveLength(1);
        expect(results.filter((codes) => codes[0] === "FENCED")).toHaveLength(24);
        expect(await stamps(shop)).toEqual([`${LINEAGE}.5.rival-${winners[0]}`]);
      },
    );

    it("refuses every write of a run that was overtaken", async () => {
      await using shop = await Shop.open(host);
      await shop.deploy(ONE, { "index.html": "one" });
      await shop.build({ "index.html": "two" });
      const [upload, activate] = await shop.planPair(TWO);
      await shop.apply(upload);
      const old = shop.context();
      const seen = await shop.observe();
      shop.epoch += 1;
      await shop.fence();

      expect(await codesOf(shop.apply(activate, old))).toEqual(["FENCED"]);
      expect(await codesOf(shop.apply(upload, old))).toEqual(["FENCED"]);
      expect(await codesOf(shop.revert(upload, null, old) ?? Promise.resolve())).toEqual([
        "FENCED",
      ]);
      const prune = shop.target.retires?.[0]?.retire({ path: shop.path, keep: 2 }, old);
      expect(await codesOf(prune ?? Promise.resolve())).toEqual(["FENCED"]);
      expect(await shop.observe()).toEqual(seen);
    });

    it("stops a run that is overtaken between looking and moving the link", async () => {
      await using shop = await Shop.open(host);
      await shop.deploy(ONE, { "index.html": "one" });
      const stamp = `${LINEAGE}.${shop.epoch}.${shop.context().run}`;
      const [remote] = shop.connection.hosts;
      // the run has made its link and is paused right before the move
      const orphan = remote?.exec(shop.context(), {
        text: `cd "$P"; mkdir ".lockstep/fence/$STAMP/n"; ln -s by-hand ".lockstep/fence/$STAMP/n/current"
until [ -e "$P.overtaken" ]; do sleep 0.05; done; mv -f ".lockstep/fence/$STAMP/n/current" "$P/"`,
        values: { P: shop.path, STAMP: stamp },
      });
      const link = join(shop.path, ".lockstep/fence", stamp, "n/current");
      while ((await readlink(link).catch(() => "none yet")) !== "by-hand") await sleep(20);
      shop.epoch += 1;
      await shop.fence();
      await writeFile(`${shop.path}.overtaken`, "");

      expect((await orphan)?.status).not.toBe(0);
      expect(await shop.observe()).toMatchObject({ link: `releases/${ONE}` });
    });

    it("does not run the restart of a run that was overtaken", async () => {
      await using shop = await Shop.open(host, { restart: ["sh", "-c", "echo x >>../../out"] });
      await shop.build({ "index.html": "one" });
      await shop.fence();
      const [upload, activate] = await shop.planPair(ONE);
      await shop.apply(upload);
      const old = shop.context();
      await shop.apply(activate, old);
      shop.epoch += 1;
      await shop.fence();

      const [remote] = shop.connection.hosts;
      if (remote === undefined) throw new Error("no host");
      const words = ["sh", "-c", "echo late >>../../out"];
      const command = { host: remote, words, stamp: old.stamp };
      expect((await runUserCommand(old, shop.connection, command)).status).toBe(70);
      const again = shop.handlerOf(activate).apply(activate.input, { previous: null }, old);

      expect(await codesOf(again)).toEqual(["FENCED"]);
      expect(await readFile(join(shop.path, "out"), "utf8")).toBe("x\n");
    });
  },
);
