import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { describeStoreCrashSweep, type StoreSweep } from "../../src/index.ts";
import { sweepVerb } from "../../src/sweep/store-sweep.ts";
import { MUTANTS, openFileStore, type Way } from "./file-store.ts";

function sweepOf(way: Way): StoreSweep {
  return {
    module: new URL("file-store.ts", import.meta.url).href,
    async open() {
      const folder = await mkdtemp(join(tmpdir(), "lockstep-file-store-"));
      const state = { folder: join(folder, "state"), way };
      return {
        store: await openFileStore(state),
        state,
        dispose: () => rm(folder, { recursive: true, force: true }),
      };
    },
  };
}

describeStoreCrashSweep("a store of files written aside", sweepOf("aside"));

describe("the crash sweep of a store finds", { timeout: 60_000 }, () => {
  const found: Readonly<Record<(typeof MUTANTS)[number], RegExp>> = {
    "in place": /replace killed at \d+/,
    "remove first": /replace killed at \d+/,
    "with a lock": /the store is locked/,
  };

  it.each(MUTANTS)("a value that is written %s", async (way) => {
    const swept = sweepVerb(`a store of files written ${way}`, sweepOf(way), "replace");
    await expect(swept).rejects.toThrow(found[way]);
  });
});
