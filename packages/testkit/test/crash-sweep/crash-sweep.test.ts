import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type CrashSweep, type CrashWorld, describeCrashSweep } from "../../src/index.ts";
import { sweepPart } from "../../src/sweep/crash-sweep.ts";
import { judge, strikeAt } from "../../src/sweep/inconclusive.ts";
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
        secrets: { TOKEN: "canary-91f0" },
        build: async (version) => {
          next.content = version;
        },
        observe: async () => world.contents(),
        dispose: () => rm(folder, { recursive: true, force: true }),
      };
    },
  };
}

describeCrashSweep("a memory target in a file", { ...sweepOf("whole"), kills: 6, seed: 1 });

describe("the crash sweep finds a pointer move that is", { timeout: 120_000 }, () => {
  const found: Readonly<Record<(typeof MUTANTS)[number], RegExp>> = {
    "in two moves": /deploy killed at \d+/,
    "undone from memory": /deploy killed at \d+/,
    "applied only once": /it is applied already/,
    "told with its secret": /the value of TOKEN is in/,
  };

  it.each(MUTANTS)("%s", async (way) => {
    const swept = sweepPart(`a memory target, moved ${way}`, sweepOf(way), "deploy");
    await expect(swept).rejects.toThrow(found[way]);
  });
});

describe("the crash sweep", { timeout: 120_000 }, () => {
  it("finds a fence whose lock outlives its process", async () => {
    const swept = sweepPart("a memory target behind a lock", sweepOf("behind a lock"), "fence");

    await expect(swept).rejects.toThrow(/EEXIST/);
  });

  it("says where nothing is to be fenced", async () => {
    const { open, ...rest } = sweepOf("whole");
    const unfenced = async (): Promise<CrashWorld> => {
      const world = await open();
      return { ...world, target: { ...world.target, traits: { fencing: "none" } } };
    };

    await expect(
      sweepPart("an unfenced target", { ...rest, open: unfenced }, "fence"),
    ).resolves.toBeUndefined();
  });
});

describe("positions that show nothing", () => {
  const tally = { what: "kills", tried: 10, struck: 8 };

  it("fail a sweep whose author did not say why", () => {
    expect(() => judge(tally)).toThrow(/kills: 8 of 10, 2 inconclusive/);
    expect(() => judge(tally, { share: 0.1, because: "sockets merge writes" })).toThrow(
      /2 inconclusive/,
    );
  });

  it("are counted where the author did", () => {
    expect(judge(tally, { share: 0.2, because: "sockets merge writes" })).toBe(
      "kills: 8 of 10, 2 inconclusive: sockets merge writes",
    );
  });

  it("fail a sweep when they are all there is", () => {
    const none = { ...tally, struck: 0 };

    expect(() => judge(none, { share: 1, because: "sockets merge writes" })).toThrow(
      /10 inconclusive/,
    );
  });
});

describe("a position that never came", () => {
  const mayMiss = { share: 0.2, because: "sockets merge writes" };

  it.each([
    ["is tried once more, earlier, where it may never come", mayMiss, [8, 6]],
    ["is not tried again where every one must come", undefined, [8]],
  ] as const)("%s", async (_, allowed, wanted) => {
    const tried: number[] = [];

    const struck = await strikeAt(8, allowed, async (at) => {
      tried.push(at);
      return at < 8;
    });

    expect(tried).toEqual(wanted);
    expect(struck).toBe(allowed !== undefined);
  });
});
