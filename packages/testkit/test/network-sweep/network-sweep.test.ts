import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeNetworkSweep, type NetworkSweep } from "../../src/index.ts";
import type { Place } from "../../src/sweep/fault.ts";
import { sweepFault, thereAndBack } from "../../src/sweep/network-sweep.ts";
import { type MUTANTS, RemoteWorld, remoteTarget, type Way } from "./remote-target.ts";

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
        secrets: { TOKEN: "canary-77aa" },
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
  it.each<[(typeof MUTANTS)[number], Place, RegExp]>([
    ["with errors of its own", { fault: "lost reply", unit: "byte" }, /none of Lockstep/],
    ["believing in silence", { fault: "cut", unit: "byte" }, /cut at byte/],
    ["believing in silence", { fault: "cut", unit: "message" }, /cut at message/],
    ["in two requests", { fault: "lost reply", unit: "message" }, /lost reply at message/],
    ["blaming somebody else", { fault: "cut", unit: "message" }, /nobody else wrote/],
    ["showing its password", { fault: "cut", unit: "byte" }, /the value of TOKEN is in/],
  ])("%s, by %o", async (way, place, found) => {
    const swept = sweepFault(`a target that asks ${way}`, sweepOf(way), place);
    await expect(swept).rejects.toThrow(found);
  });

  it("by swapping, when requests arrive twice", async () => {
    const swept = thereAndBack(sweepOf("by swapping"), (proxy) => proxy.repeat(true));

    await expect(swept).rejects.toThrow(/expected .* to/);
    await expect(thereAndBack(sweepOf("by swapping"), () => {})).resolves.toBeUndefined();
  });
});
