import { expect, it } from "vitest";
import { killAndRecover, KINDS, pointsOf, startKillRig } from "./images-kill.ts";

it.each(KINDS)(
  "a %s of four tags can be killed before and after every request",
  { timeout: 3_600_000 },
  async (kind) => {
    await using rig = await startKillRig(kind);
    const points = await pointsOf(rig);
    let killed = 0;
    for (let point = 0; point < points; point += 1) {
      killed += (await killAndRecover(rig, point)) ? 1 : 0;
    }
    process.stdout.write(`${kind}: ${points} points, ${killed} kills\n`);

    // how many old anchors a run drops differs: its last points may never come
    expect(killed).toBeGreaterThan(points * 0.8);
  },
);
