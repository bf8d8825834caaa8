import { describe, expect, it } from "vitest";
import { killAt, type KillPoint } from "./kill-sweep.ts";

/** Requests of the small deploy from plan to the end of retire; the soak proves that there are no more. */
const REQUESTS = 26;

const seed = Math.floor(Math.random() * 2 ** 31);

describe(`a deploy that is killed (seed ${seed})`, { timeout: 120_000 }, () => {
  it.concurrent.each(sample(21))(
    "$when request $at is taken over ($next), and every page is whole at every moment",
    async (point) => {
      expect(await killAt(point)).toBeGreaterThan(0);
    },
  );
});

/** Points spread over the whole deploy, each with another way to take over. */
function sample(count: number): KillPoint[] {
  const ways = ["back", "forward", "deploy"] as const;
  return Array.from({ length: count }, (_, index): KillPoint => {
    const at = 1 + Math.floor(((index + (seed % 97) / 97) * REQUESTS) / count);
    const when = (index + seed) % 2 === 0 ? "before" : "after";
    return { at, when, next: ways[(index + seed) % 3] ?? "back" };
  });
}
