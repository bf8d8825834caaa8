import { describe, expect, it } from "vitest";
import { mayFail, wavesOf } from "../src/rollout.ts";

const hosts = (count: number, labels: Readonly<Record<number, string>> = {}) =>
  Array.from({ length: count }, (_, index) => ({
    name: `web-${index + 1}`,
    labels: labels[index + 1] === undefined ? [] : [labels[index + 1] ?? ""],
  }));

const sizes = (count: number, waves: readonly (number | string)[]): number[] =>
  wavesOf(hosts(count), { waves }).map((wave) => wave.length);

describe("waves", () => {
  it.each([
    [10, [1, "25%", "100%"], [1, 3, 6]],
    [3, [1, "25%", "100%"], [1, 1, 1]],
    [1, [1, "25%", "100%"], [1]],
    [7, [2], [2, 2, 2, 1]],
    [4, ["50%"], [2, 2]],
    [4, ["100%"], [4]],
    [0, [1], []],
  ])("of %i hosts by %j have %j hosts", (count, waves, wanted) => {
    expect(sizes(count, waves)).toEqual(wanted);
  });

  it("begin with the hosts that come first, each in the order of the config", () => {
    const waves = wavesOf(hosts(4, { 3: "canary" }), { waves: [1, "100%"], first: "canary" });

    expect(waves.map((wave) => wave.map(({ name }) => name))).toEqual([
      ["web-3"],
      ["web-1", "web-2", "web-4"],
    ]);
    expect(wavesOf(hosts(2), { waves: [1], first: "web-2" })[0]?.[0]?.name).toBe("web-2");
  });

  it("let a share of all hosts fail, rounded down", () => {
    expect([mayFail("10%", 9), mayFail("10%", 19), mayFail("20%", 10), mayFail(3, 11)]).toEqual([
      0, 1, 2, 3,
    ]);
  });
});
