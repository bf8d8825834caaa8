import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startFront } from "../front.ts";
import { killAt, type KillPlace, type KillPoint } from "../kill-sweep.ts";
import { Rig } from "../rig.ts";
import { Folder } from "../world.ts";
import { type Gateway, openGateway } from "./gateway.ts";

/** Requests of the small deploy, with a second try of conditions whose ETags this server knows without quotes. */
const REQUESTS = 30;

const POINTS = 6;

const seed = Math.floor(Math.random() * 2 ** 31);

describe(`a deploy to a Ceph RADOS gateway that is killed (seed ${seed})`, () => {
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await openGateway();
  });
  afterAll(async () => gateway[Symbol.asyncDispose]());

  it.each(sample())(
    "$when request $at is taken over ($next), and every page is whole",
    { timeout: 120_000 },
    async (point) => {
      expect(await killAt(point, () => placeOn(gateway))).toBeGreaterThan(0);
    },
  );
});

/** Points spread over the whole deploy, each with another way to take over. */
function sample(): KillPoint[] {
  const ways = ["back", "forward", "deploy"] as const;
  return Array.from({ length: POINTS }, (_, index): KillPoint => {
    const at = 1 + Math.floor(((index + (seed % 97) / 97) * REQUESTS) / POINTS);
    const when = (index + seed) % 2 === 0 ? "before" : "after";
    return { at, when, next: ways[(index + seed) % 3] ?? "back" };
  });
}

/** A bucket of the gateway, behind a front that counts. */
async function placeOn(gateway: Gateway): Promise<KillPlace> {
  const bucket = await gateway.bucket();
  const front = await startFront(gateway);
  const folder = await Folder.open();
  const rig = await Rig.join({ server: front, folder, owned: [front, folder] }, { bucket });
  return {
    rig,
    bucket,
    async site() {
      const live = [...(await gateway.read(bucket))].filter(([key]) => !key.includes(".lockstep/"));
      return Object.fromEntries(live.map(([key, { body }]) => [key, body]));
    },
    asked: () => front.asked.length,
    watch(onRequest) {
      front.trick = () => {
        const trick = onRequest();
        return trick === "refuse" ? { status: 503 } : trick;
      };
    },
    [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose](),
  };
}
