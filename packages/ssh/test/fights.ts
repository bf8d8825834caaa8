import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Contender } from "./contender.ts";
import { Shop, startHost, stateOf, type TestHost } from "./world.ts";

/** Longest time, in milliseconds, until a contender is killed. */
const LONGEST_MS = 1500;

/** The same numbers for the same seed, in [0, 1). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

/** What a contender said, or `killed`. */
async function fight(told: Contender, killAfterMs: number | undefined): Promise<string> {
  const words = [
    "-C",
    "@lockstep/source",
    join(import.meta.dirname, "contender.ts"),
    JSON.stringify(told),
  ];
  const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const over = once(child, "close");
  if (killAfterMs !== undefined) {
    await Promise.race([over, sleep(killAfterMs)]);
    child.kill("SIGKILL");
  }
  await over;
  return said.trim() === "" ? "killed" : said.trim();
}

/**
 * Two runners, each a process of its own, deploy to one host at once; one or both are killed at a random moment.
 * Whatever happens, the host belongs to one run, and its link leads to a release that is whole.
 */
export function describeFights(rounds: number): void {
  describe.each(["dash", "busybox"] as const)("runners that fight for a host with %s", (kind) => {
    let host: TestHost;
    let folders: string;
    beforeAll(async () => {
      host = await startHost(kind);
      folders = await mkdtemp(join(tmpdir(), "lockstep-fights-"));
    });
    afterAll(async () => {
      await rm(folders, { recursive: true });
      await host[Symbol.asyncDispose]();
    });

    /** A source whose files all hold its name. */
    async function sourceOf(name: string): Promise<string> {
      const dist = join(folders, name, "dist");
      await mkdir(dist, { recursive: true });
      for (const file of ["a.txt", "b.txt", "c.txt"]) await writeFile(join(dist, file), name);
      return join(folders, name);
    }

    it(
      `never share it, nor leave it without a whole release, in ${rounds} rounds`,
      { timeout: rounds * 20_000 },
      async () => {
        const seed = Math.floor(Math.random() * 1e9);
        const next = numbers(seed);
        await using shop = await Shop.open(host);
        await shop.deploy("first", { "a.txt": "first", "b.txt": "first", "c.txt": "first" });
        const { address, port, user, hostKey, identity } = host.server;
        let epoch = 10;
        for (let round = 0; round < rounds; round += 1) {
          const what = `seed ${seed}, round ${round}`;
          const pair = await Promise.all(
            [epoch + 1, epoch + 2].map(async (mine) => {
              const release = `release-${mine}`;
              const folder = await sourceOf(release);
              const told = {
                address,
                port,
                user,
                hostKey,
                identity,
                path: shop.path,
                folder,
                release,
                epoch: mine,
              };
              const killAfterMs = next() < 0.6 ? Math.floor(next() * LONGEST_MS) : undefined;
              await sleep(Math.floor(next() * 200));
              return { release, said: await fight(told, killAfterMs) };
            }),
          );
          epoch += 2;

          const owners = await readdir(join(shop.path, ".lockstep/fence"));
          expect(owners, what).toHaveLength(1);
          const seen = (await shop.observe()) as { link: string; files: Record<string, string> };
          const live = seen.link.replace("releases/", "");
          expect(Object.values(seen.files), what).toEqual([live, live, live]);
          expect(await stateOf(shop.path, live), what).toBe("ready");
          const [, newer] = pair;
          // nobody can take the host from the newer of the two
          const wanted = newer?.said === "won" ? newer.release : live;
          expect(live, what).toBe(wanted);
          expect(pair.map(({ said }) => said).join(" "), what).not.toMatch(/Error/);
        }
      },
    );
  });
}
