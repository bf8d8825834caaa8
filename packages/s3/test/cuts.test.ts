import { randomInt } from "node:crypto";
import { expect, it } from "vitest";
import { sandboxPlace } from "./cut-places.ts";
import { cutAt, type CutPoint } from "./cut-sweep.ts";

/** Requests of the small deploy, about. */
const REQUESTS = 20;

const POINTS = 10;

const seed = randomInt(1_000_000);

/** Points spread over the whole deploy. */
const points = Array.from({ length: POINTS }, (_, index): CutPoint => ({
  at: 1 + Math.floor(((index + (seed % 97) / 97) * REQUESTS) / POINTS),
  direction: (index + seed) % 2 === 0 ? "up" : "down",
}));

it.each(points)(
  `a deploy whose connection ends at request $at ($direction, seed ${seed}) is the release that was built`,
  async (point) => {
    expect(await cutAt(point, sandboxPlace)).toEqual({ isCut: true, wrong: [] });
  },
);
