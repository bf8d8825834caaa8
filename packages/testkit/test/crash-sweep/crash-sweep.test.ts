import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type CrashSweep, describeCrashSweep } from "../../src/index.ts";
import { sweepPart } from "../../src/sweep/crash-sweep.ts";
import { MUTANTS, openTarget, type Way } from "./memory-module.ts";

function sweepOf(way: Way): CrashSweep {
  return {
    module: new URL("memory-module.ts", import.meta.url).href,
    async open() {
      const folder = await mkdtemp(join(tmpdir(), "lockstep-memory-"));
      const state = { file: join(folder, "world.json"), way };
      const next = { content: "" };
      const { target, world } = openTarget(state, next);
      return {
        target,
        folder,
        state,
        build: async (version) => {
          next.content = version;
        },
        observe: async () => world.contents(),
        dispose: () => rm(folder, { recursive: true, force: true }),
      };
    },
  };
}

describeCrashSweep("a memory target in a file", sweepOf("whole"));

describe("the crash sweep finds a pointer move that is", { timeout: 120_000 }, () => {
  const found: Readonly<Record<(typeof MUTANTS)[number], RegExp>> = {
    "in two moves": /deploy killed at \d+/,
    "undone from memory": /deploy killed at \d+/,
    "applied only once": /it is applied already/,
  };

  it.each(MUTANTS)("%s", async (way) => {
    const swept = sweepPart(`a memory target, moved ${way}`, sweepOf(way), "deploy");
    await expect(swept).rejects.toThrow(found[way]);
  });
});
