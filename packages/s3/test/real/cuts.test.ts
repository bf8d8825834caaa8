import { randomInt } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cutAt, type CutPlace, type CutPoint } from "../cut-sweep.ts";
import { type Gateway, openGateway } from "./gateway.ts";

/** Requests of the small deploy, about. */
const REQUESTS = 20;

const POINTS = 12;

const seed = randomInt(1_000_000);

/** Points spread over the whole deploy. */
const points = Array.from({ length: POINTS }, (_, index): CutPoint => ({
  at: 1 + Math.floor(((index + (seed % 97) / 97) * REQUESTS) / POINTS),
  direction: (index + seed) % 2 === 0 ? "up" : "down",
}));

describe(`a deploy to a Ceph RADOS gateway (seed ${seed})`, () => {
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await openGateway();
  }, 60_000);
  afterAll(async () => gateway[Symbol.asyncDispose]());

  const place = async (): Promise<CutPlace> => {
    const bucket = await gateway.bucket();
    return {
      server: gateway,
      bucket,
      async site() {
        const live = [...(await gateway.read(bucket))].filter(
          ([key]) => !key.startsWith(".lockstep/"),
        );
        return Object.fromEntries(live.map(([key, { body }]) => [key, body]));
      },
      [Symbol.asyncDispose]: async () => undefined,
    };
  };

  it.each(points)(
    "whose connection ends at request $at ($direction) is the release that was built",
    { timeout: 120_000 },
    async (point) => {
      expect(await cutAt(point, place)).toEqual({ isCut: true, wrong: [] });
    },
  );
});
