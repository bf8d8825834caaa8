import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Store } from "@lockstep/plugin";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { localStore } from "../src/local-store.ts";

/** Called before every call of the file system. */
let meanwhile: () => Promise<void> = async () => undefined;

vi.mock("node:fs/promises", async (importOriginal) => {
  const real = await importOriginal<Record<string, unknown>>();
  const watched = Object.entries(real).map(([name, call]) => [
    name,
    typeof call !== "function"
      ? call
      : async (...words: readonly unknown[]) => {
          await meanwhile();
          return (call as (...words: readonly unknown[]) => unknown)(...words);
        },
  ]);
  return Object.fromEntries(watched) as object;
});

/** Runs `slow`, and `quick` to its end right before call `at` of the file system; false when there is no such call. */
async function interleaved(
  at: number,
  { slow, quick }: Record<"slow" | "quick", () => Promise<void>>,
): Promise<boolean> {
  let calls = 0;
  meanwhile = async () => {
    calls += 1;
    if (calls === at) await quick();
  };
  try {
    await slow();
  } finally {
    meanwhile = async () => undefined;
  }
  return calls >= at;
}

const bytes = (text: string): Uint8Array => Buffer.from(text);

/** What two writers do to one value, and what was there before them. */
const FIGHTS: Record<
  string,
  Record<"before" | "write", (store: Store, text: string) => unknown>
> = {
  "create a key that was never there": {
    before: () => undefined,
    write: (store, text) => store.create("key", bytes(text)),
  },
  "create a key that was removed": {
    async before(store) {
      await store.create("key", bytes("old"));
      await store.remove("key", "0");
    },
    write: (store, text) => store.create("key", bytes(text)),
  },
  "replace one value": {
    before: (store) => store.create("key", bytes("old")),
    write: (store, text) => store.replace("key", bytes(text), "0"),
  },
};

describe("two processes on the local store", () => {
  let folder = "";

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "lockstep-race-"));
    return async () => rm(folder, { recursive: true });
  });

  it.each(Object.entries(FIGHTS))(
    "that %s have one winner, before whatever call of the first the second comes",
    async (_, { before, write }) => {
      let at = 0;
      for (let came = true; came;) {
        at += 1;
        const [slow, quick] = ["", ""].map(() => localStore({ folder: join(folder, `${at}`) }));
        if (slow === undefined || quick === undefined) throw new Error("two stores were made");
        await before(slow, "old");
        const made: Record<string, unknown> = {};

        came = await interleaved(at, {
          slow: async () => void (made["slow"] = await write(slow, "slow")),
          quick: async () => void (made["quick"] = await write(quick, "quick")),
        });

        const winners = Object.keys(made).filter((who) => typeof made[who] === "object");
        expect(winners, `before call ${at}`).toHaveLength(1);
        expect(String((await slow.get("key"))?.body), `before call ${at}`).toBe(winners[0]);
      }
      expect(at).toBeGreaterThan(5);
    },
  );
});
