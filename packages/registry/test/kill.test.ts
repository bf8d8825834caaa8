import { describe, expect, it } from "vitest";
import { killAt } from "./kill-sweep.ts";

/** Requests of a push of four tags from plan to the last tag. */
const REQUESTS = 20;

const seed = Math.floor(Math.random() * 2 ** 31);

describe(`a push of four tags that is killed (seed ${seed})`, { timeout: 120_000 }, () => {
  const points = sample(22).map(({ at, when }) => [at, when] as const);

  it.concurrent.each(points)(
    "at request %i (%s) is put back or gone on with, and every tag can be pulled at every moment",
    async (at, when) => {
      const recover = (at + seed) % 3 === 0 ? "forward" : "back";
      expect(await killAt({ at, when, recover }, {})).toBeGreaterThan(0);
    },
  );
});

it("a push of four tags asks as often as the kills are counted on", async () => {
  expect(await killAt({ at: REQUESTS + 1, when: "before", recover: "forward" }, {})).toBe(REQUESTS);
});

/** Points without repetition, the moves of the tags among them. */
function sample(count: number): { readonly at: number; readonly when: "before" | "after" }[] {
  const all = Array.from({ length: REQUESTS }, (_, index) => index + 1).flatMap((at) => [
    { at, when: "before" as const },
    { at, when: "after" as const },
  ]);
  let state = seed;
  const chance = (): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
  const moves = all.slice(-14);
  const rest = all
    .slice(0, -14)
    .map((point) => ({ point, key: chance() }))
    .toSorted((left, right) => left.key - right.key)
    .map(({ point }) => point);
  return [...moves, ...rest].slice(0, count);
}
