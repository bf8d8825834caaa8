import { afterAll, beforeAll, expect, it } from "vitest";
import { killAndRecover, KINDS, nextEdition, pointsOf, sweepRig } from "./kill-sweep.ts";
import type { Rig } from "./rig.ts";

let rig: Rig;

beforeAll(async () => {
  rig = await sweepRig();
}, 60_000);

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
}, 120_000);

it.each(KINDS)(
  "a %s can be killed before and after every durable write and every host command",
  async (kind) => {
    const points = await pointsOf(rig, kind);
    await nextEdition(rig);
    await rig.mustDeploy();
    let killed = 0;
    for (const point of points.keys()) {
      killed += (await killAndRecover(rig, kind, point)) ? 1 : 0;
    }
    process.stdout.write(`${kind}: ${points.length} points, ${killed} kills\n`);

    expect(killed).toBeGreaterThan(points.length * 0.8);
  },
  7_200_000,
);
