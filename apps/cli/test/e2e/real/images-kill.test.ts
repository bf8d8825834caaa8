import { sampleOf } from "@lockstep/testkit";
import { expect, it } from "vitest";
import { killAndRecover, type Kind, pointsOf, startKillRig } from "./images-kill.ts";

const SEED = Number(process.env["LOCKSTEP_SEED"] ?? Date.now() % 1_000_000);
const KILLS: readonly (readonly [Kind, number])[] = [
  ["deploy", 10],
  ["failing deploy", 8],
  ["failing first deploy", 6],
];

it("a push of four tags, and the way back, are recovered to one image behind all of them, killed anywhere: a sample", async () => {
  let total = 0;
  for (const [kind, kills] of KILLS) {
    await using rig = await startKillRig(kind);
    const points = await pointsOf(rig);
    let killed = 0;
    for (const point of sampleOf(points, { kills, seed: SEED })) {
      killed += (await killAndRecover(rig, point)) ? 1 : 0;
    }
    process.stdout.write(`${kind}: ${points} points, ${killed} kills, LOCKSTEP_SEED=${SEED}\n`);
    total += killed;
  }

  // how many old anchors a run drops differs: its last points may never come
  expect(total).toBeGreaterThanOrEqual(20);
}, 600_000);
