import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type SshStore, sshStore, type SshStoreOptions } from "../src/index.ts";
import { startHost, type TestHost } from "./world.ts";

const COUNTER = join(import.meta.dirname, "store-counter.ts");

/** Writers at the same time. */
const WRITERS = 3;

/** Longest time, in milliseconds, from the first number of a writer to its end. */
const LIFE_MS = 250;

/**
 * Kills processes that write one value, at random moments, `rounds` times on dash and on busybox: no number is
 * written twice, none that was told is lost, and whoever comes next can write.
 */
export function describeKilledWriters(rounds: number): void {
  const seed = Number(process.env["LOCKSTEP_SEED"] ?? Date.now() % 1_000_000);
  describe.each(["dash", "busybox"] as const)(
    `killed writers of a store on %s (seed ${seed})`,
    { timeout: 60_000 + rounds * 30_000 },
    (shell) => {
      let host: TestHost;
      beforeAll(async () => {
        host = await startHost(shell);
      });
      afterAll(async () => host[Symbol.asyncDispose]());

      it("lose nothing that they told, write nothing twice, and block nobody", async () => {
        const { address, port, user, identity, knownHosts } = host.server;
        const login = { identity, knownHosts, sshConfig: false };
        const path = join(host.root, "state");
        const options: SshStoreOptions = { host: { address, port, user }, path, ...login };
        await using store = sshStore(options);
        await store.create("count", Buffer.from("0"));
        const random = randomOf(seed);
        const told: number[] = [];
        for (let round = 0; round < rounds; round += 1) {
          const lives = Array.from({ length: WRITERS }, () => random() * LIFE_MS);
          told.push(...(await Promise.all(lives.map((life) => live(options, life)))).flat());
        }

        const found = await store.get("count");
        const total = Number(Buffer.from(found?.body ?? []).toString());
        expect(new Set(told).size, `seed ${seed}`).toBe(told.length);
        expect(Math.max(...told), `seed ${seed}`).toBeLessThanOrEqual(total);
        // each killed writer may have written one number that it could not tell
        expect(total - told.length, `seed ${seed}`).toBeLessThanOrEqual(rounds * WRITERS);
        expect(told.length).toBeGreaterThanOrEqual(rounds);
        expect(await replaceAtLast(store)).toMatchObject({ tag: expect.any(String) });
        expect(await readdir(join(path, ".count"))).toHaveLength(1);
      });
    },
  );
}

/** Replaces the value; the last command of each killed writer may still land between the look and the write. */
async function replaceAtLast(store: SshStore): Promise<{ readonly tag: string } | "moved"> {
  for (let late = 0; late < WRITERS; late += 1) {
    const { tag = "" } = (await store.get("count")) ?? {};
    const written = await store.replace("count", Buffer.from("0"), tag);
    if (written !== "moved") return written;
  }
  const { tag = "" } = (await store.get("count")) ?? {};
  return store.replace("count", Buffer.from("0"), tag);
}

/** Starts a writer, and kills it some time after its first number. */
async function live(options: SshStoreOptions, lifeMs: number): Promise<number[]> {
  const env = { ...process.env, OPTIONS: JSON.stringify(options) };
  const child = spawn(process.execPath, ["--conditions=@lockstep/source", COUNTER], { env });
  let said = "";
  let wrong = "";
  child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (wrong += chunk.toString()));
  const closed = once(child, "close");
  await Promise.race([once(child.stdout, "data"), closed]);
  await sleep(lifeMs);
  child.kill("SIGKILL");
  await closed;
  expect(wrong).toBe("");
  // a line that was cut off was never told
  return said.split("\n").slice(0, -1).map(Number);
}

/** Numbers in [0, 1) that a seed decides. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
}
