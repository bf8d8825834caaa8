import { createHash, randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { partsOf } from "../src/parts.ts";
import { Rig } from "./rig.ts";

const MIB = 1024 * 1024;

async function* pieces(...sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let next = 0;
  for (const size of sizes) {
    yield Uint8Array.from({ length: size }, () => (next += 1) % 251);
  }
}

describe("parts", () => {
  it.each([
    [[10], [10]],
    [
      [4, 4, 4],
      [10, 2],
    ],
    [[25], [10, 10, 5]],
    [
      [10, 10],
      [10, 10],
    ],
    [[], []],
    [
      [3, 20, 1],
      [10, 10, 4],
    ],
  ])("of pieces of %j bytes have %j bytes", async (sizes, wanted) => {
    const parts: Uint8Array[] = [];
    for await (const part of partsOf(pieces(...sizes), 10)) parts.push(part);

    expect(parts.map(({ length }) => length)).toEqual(wanted);
    const whole: Uint8Array[] = [];
    for await (const piece of pieces(...sizes)) whole.push(piece);
    expect(Buffer.concat(parts).equals(Buffer.concat(whole))).toBe(true);
  });
});

describe("a file that is too large to be held", () => {
  it(
    "is sent in parts, goes live by a copy, and is not sent again",
    { timeout: 30_000 },
    async () => {
      await using rig = await Rig.open({ limits: { partBytes: 5 * MIB } });
      const film = randomBytes(21 * MIB);
      const files = {
        "index.html": `<video src="/film.3f9c2d1a.mp4"></video>`,
        "film.3f9c2d1a.mp4": film,
      };

      await rig.deploy(files);

      const sent = (): number =>
        rig.sandbox.requests.filter(({ method, key }) => method === "PUT" && key.includes("blobs/"))
          .length;
      const first = sent();
      expect(first).toBe(6); // five parts, and the page
      const found = rig.objects.get("film.3f9c2d1a.mp4");
      const digest = createHash("sha256").update(film).digest("hex");
      expect(
        createHash("sha256")
          .update(found?.body ?? "")
          .digest("hex"),
      ).toBe(digest);
      expect(found?.headers).toMatchObject({
        "content-type": "video/mp4",
        "cache-control": "public, max-age=31536000, immutable",
        "x-amz-meta-lockstep": digest,
      });
      await rig.deploy({ ...files, "index.html": `<p><video src="/film.3f9c2d1a.mp4"></video>` });
      expect(sent()).toBe(first + 1);
    },
  );
});
