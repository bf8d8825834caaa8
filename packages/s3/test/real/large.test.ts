import { afterAll, beforeAll, expect, it } from "vitest";
import { Rig } from "../rig.ts";
import { Folder } from "../world.ts";
import { type Gateway, openGateway } from "./gateway.ts";

const MIB = 1024 * 1024;

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway();
});
afterAll(async () => gateway[Symbol.asyncDispose]());

it(
  "a file in parts is whole on a Ceph RADOS gateway, and only its page is sent when that changes",
  { timeout: 120_000 },
  async () => {
    const bucket = await gateway.bucket();
    const folder = await Folder.open();
    await using rig = await Rig.join(
      { server: gateway, folder, owned: [folder] },
      { bucket, limits: { partBytes: 5 * MIB } },
    );
    const film = Array.from({ length: 21 * 64 }, (_, n) => `${n} `.padEnd(16 * 1024, "x")).join("");
    const page = `<video src="/film.3f9c2d1a.mp4"></video>`;

    await rig.deploy({ "index.html": page, "film.3f9c2d1a.mp4": film });
    const plan = await rig.deploy({ "index.html": `<p>${page}`, "film.3f9c2d1a.mp4": film });

    const seen = await gateway.read(bucket);
    expect(seen.get("film.3f9c2d1a.mp4")?.body === film).toBe(true);
    expect(seen.get("film.3f9c2d1a.mp4")?.headers).toMatchObject({ "content-type": "video/mp4" });
    expect(plan.changes.map(({ what }) => what)).toEqual(["index.html"]);
  },
);
