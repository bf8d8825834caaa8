import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeNetworkSweep, type NetworkSweep } from "../../src/index.ts";
import { sweepFault } from "../../src/sweep/network-sweep.ts";
import { MUTANTS, RemoteWorld, remoteTarget, type Way } from "./remote-target.ts";

const remote = new RemoteWorld();
let upstream = { host: "127.0.0.1", port: 0 };
beforeAll(async () => {
  upstream = await remote.start();
});
afterAll(async () => remote[Symbol.asyncDispose]());

function sweepOf(way: Way): NetworkSweep {
  return {
    positions: 20,
    seed: 5,
    patienceMs: 100,
    get upstream() {
      return upstream;
    },
    async open(through) {
      const world = remote.clear();
      return {
        target: remoteTarget(through, way),
        folder: "/",
        build: async (version) => {
          remote.content = version;
        },
        observe: async () => world.contents(),
      };
    },
  };
}

describeNetworkSweep("a target that asks a server", sweepOf("well"));

describe("the network sweep finds a target that asks its server", { timeout: 60_000 }, () => {
  const found: Readonly<Record<(typeof MUTANTS)[number], RegExp>> = {
    "with errors of its own": /none of Lockstep/,
    "believing in silence": /cut at byte/,
    "in two requests": /(cut|lost reply) at byte/,
  };

  const FAULTS = {
    "with errors of its own": "lost reply",
    "believing in silence": "cut",
    "in two requests": "lost reply",
  } as const;

  it.each(MUTANTS)("%s", async (way) => {
    const swept = sweepFault(`a target that asks ${way}`, sweepOf(way), FAULTS[way]);
    await expect(swept).rejects.toThrow(found[way]);
  });
});
