import { sampleOf } from "@lockstep/testkit";
import { afterAll, beforeAll, expect, it } from "vitest";
import { killAndRecover, KINDS, nextEdition, pointsOf, sweepRig } from "./kill-sweep.ts";
import type { Rig } from "./rig.ts";

const SEED = Number(process.env["LOCKSTEP_SEED"] ?? Date.now() % 1_000_000);

let rig: Rig;

beforeAll(async () => {
  rig = await sweepRig();
}, 60_000);

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
}, 120_000);

it("can be killed before and after every durable write and every host command: a sample", async () => {
  let killed = 0;
  for (const kind of KINDS) {
    const points = (await pointsOf(rig, kind)).length;
    await nextEdition(rig);
    await rig.mustDeploy();
    const chosen = sampleOf(points, { kills: 7, seed: SEED });
    for (const point of chosen) killed += (await killAndRecover(rig, kind, point)) ? 1 : 0;
    process.stdout.write(`${kind}: ${points} points, ${chosen.length} tried\n`);
  }
  process.stdout.write(`${killed} kills, LOCKSTEP_SEED=${SEED}\n`);

  expect(killed).toBeGreaterThanOrEqual(20);
}, 600_000);
