import { afterAll, beforeAll, expect, it } from "vitest";
import { type Kind, killAndRecover, KINDS, nextEdition, pointsOf } from "./kill-sweep.ts";
import { type Rig, startRig } from "./rig.ts";

const KILLS = 24;
const SEED = Number(process.env["LOCKSTEP_SEED"] ?? Date.now() % 1_000_000);

let rig: Rig;

beforeAll(async () => {
  rig = await startRig();
  await rig.configure("service: true");
  await nextEdition(rig);
  await rig.mustDeploy();
  await nextEdition(rig);
  await rig.mustDeploy();
}, 60_000);

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
}, 30_000);

it("can be killed before and after every durable write and every host command: a sample", async () => {
  const random = randomOf(SEED);
  const points = new Map<Kind, number>();
  for (const kind of KINDS) {
    points.set(kind, (await pointsOf(rig, kind)).length);
    await nextEdition(rig);
    await rig.mustDeploy();
  }
  let killed = 0;
  for (let round = 0; round < KILLS; round += 1) {
    const kind = KINDS[round % KINDS.length] ?? "deploy";
    const point = Math.floor(random() * (points.get(kind) ?? 0));
    killed += (await killAndRecover(rig, kind, point)) ? 1 : 0;
  }
  const found = [...points].map(([kind, count]) => `${kind} ${count}`).join(", ");
  process.stdout.write(`kill points: ${found}; ${killed} killed, LOCKSTEP_SEED=${SEED}\n`);

  expect(killed).toBeGreaterThanOrEqual(20);
}, 600_000);

/** Mulberry32: the same numbers for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
