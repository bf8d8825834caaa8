import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PlannedStep } from "@lockstep/plugin";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Shop, startHost, type TestHost } from "../world.ts";

const ONE = "20261121T101500Z-00000001";
const TWO = "20261121T101501Z-00000002";

describe.concurrent.each(["dash", "busybox"] as const)(
  "the way back on %s",
  { timeout: 120_000 },
  (kind) => {
    let host: TestHost;
    beforeAll(async () => {
      host = await startHost(kind);
    });
    afterAll(async () => host[Symbol.asyncDispose]());

    /** Puts all steps back, the last one first, as far as each will go; how each ended. */
    async function putBack(shop: Shop, steps: readonly PlannedStep[]): Promise<unknown[]> {
      const ends: unknown[] = [];
      for (const step of steps.toReversed()) {
        const before = step.kind === "ssh.activate/1" ? { previous: `releases/${ONE}` } : null;
        ends.push(
          await shop.revert(step, before)?.catch(({ code }: { readonly code: string }) => code),
        );
      }
      return ends;
    }

    it.each([
      ["the restart", "restart"],
      ["the way into the load balancer", "undrain"],
    ] as const)("stays open until %s worked", async (_, what) => {
      const words = ["sh", "-c", `cd "$0" && echo x >>out && test ! -e broken`];
      const path = join(host.root, `${Math.random()}`.slice(2), "shop");
      await using shop = await Shop.open(host, {
        path,
        [what]: [...words, path],
        envFile: { values: { A: "1" } },
      });
      await shop.deploy(ONE, { "index.html": "one" });
      await writeFile(join(path, "broken"), "");
      await shop.build({ "index.html": "two" });
      const steps = (await shop.plan(TWO)).slice(0, 3);
      for (const step of steps.slice(0, 2)) await shop.apply(step);
      const [, , activate] = steps;
      if (activate === undefined) throw new Error("nothing is planned");
      await expect(shop.apply(activate)).rejects.toMatchObject({ code: "SSH_COMMAND_FAILED" });

      expect(await putBack(shop, steps)).toEqual([
        "SSH_COMMAND_FAILED",
        "untouched",
        "SSH_WAY_BACK_OPEN",
      ]);
      const seen = await readFile(join(path, "out"), "utf8");
      await rm(join(path, "broken"));

      expect(await putBack(shop, steps)).toEqual(["restored", "restored", "restored"]);
      expect(await readFile(join(path, "out"), "utf8")).toBe(`${seen}x\n`);
      expect(await readdir(join(path, "releases"))).toEqual([ONE]);
    });
  },
);
