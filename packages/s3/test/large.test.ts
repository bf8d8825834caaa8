import { createHash, randomBytes } from "node:crypto";
import { type SandboxS3, startSandboxS3 } from "@lockstep/testkit";
import { describe, expect, it } from "vitest";
import { partsOf } from "../src/parts.ts";
import { type Asked, type Front, s3Error, startFront, type Trick } from "./front.ts";
import { Rig } from "./rig.ts";
import { Folder } from "./world.ts";

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
    { timeout: 120_000 },
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

/** A site with a film of five parts, behind a front, planned. */
interface Cinema extends AsyncDisposable {
  readonly rig: Rig;
  readonly front: Front;
  readonly server: SandboxS3;
  readonly film: Buffer;
}

async function openCinema(): Promise<Cinema> {
  const server = await startSandboxS3({ buckets: ["shop"] });
  const front = await startFront(server);
  const folder = await Folder.open();
  const limits = { partBytes: 5 * MIB, backoffMs: 1, tries: 3 };
  const rig = await Rig.join({ server: front, folder, owned: [front, server, folder] }, { limits });
  const film = randomBytes(21 * MIB);
  await folder.build({ "index.html": "<p>", "film.mp4": film });
  return { rig, front, server, film, [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose]() };
}

/** Which request of an upload in parts it is: `start`, `1`, `end`, `abort`. */
function nameOf({ method, url }: Asked): string | undefined {
  const part = /partNumber=(\d+)/.exec(url)?.[1];
  if (part !== undefined) return part;
  if (method === "POST" && /[?&]uploads/.test(url)) return "start";
  if (!url.includes("uploadId=")) return undefined;
  return method === "DELETE" ? "abort" : "end";
}

describe("an upload in parts", () => {
  it.each<[string, string, Trick]>([
    ["a busy server at its start", "start", { status: 503, body: s3Error("SlowDown") }],
    ["a lost answer to its start", "start", "lose"],
    ["a part that fails", "2", { status: 500, body: s3Error("InternalError") }],
    ["a lost answer to a part", "3", "lose"],
    ["a part that is cut off", "4", "reset"],
    ["a part that is hurt on the way", "5", "flip"],
    ["an end that fails under status 200", "end", { status: 200, body: s3Error("InternalError") }],
    ["a lost answer to its end", "end", "lose"],
  ])(
    "comes whole past %s",
    async (_name, name, trick) => {
      await using cinema = await openCinema();
      const { rig, front, server, film } = cinema;
      let left = 1;
      front.trick = (asked) => (nameOf(asked) === name && (left -= 1) >= 0 ? trick : undefined);

      await rig.deploy();

      expect(left).toBeLessThan(0);
      expect(film.equals(server.buckets.get("shop")?.get("film.mp4")?.body ?? Buffer.of())).toBe(
        true,
      );
    },
    30_000,
  );

  it.each([
    ["and takes its parts back", undefined],
    ["also when its parts cannot be taken back", { status: 500 }],
  ])(
    "that is refused says why, %s, and the next deploy sends it anew",
    async (_name, abort) => {
      await using cinema = await openCinema();
      const { rig, front, server, film } = cinema;
      const plan = await rig.plan();
      const asked: string[] = [];
      front.trick = (one) => {
        const name = nameOf(one);
        if (name !== undefined) asked.push(name);
        if (name === "3") return { status: 403, body: s3Error("AccessDenied") };
        return name === "abort" ? abort : undefined;
      };

      await expect(rig.apply(plan, "stage")).rejects.toMatchObject({ code: "S3_DENIED" });

      expect(asked).toEqual(["start", "1", "2", "3", "abort"]);
      expect([...(server.buckets.get("shop") ?? new Map()).keys()].join()).not.toContain("film");
      front.trick = () => undefined;
      await rig.deploy();
      expect(film.equals(server.buckets.get("shop")?.get("film.mp4")?.body ?? Buffer.of())).toBe(
        true,
      );
    },
    30_000,
  );

  it("whose end nobody can tell is not taken for whole", async () => {
    await using cinema = await openCinema();
    const { rig, front } = cinema;
    const plan = await rig.plan();
    front.trick = (one) =>
      nameOf(one) === "end" ? { status: 404, body: s3Error("NoSuchUpload") } : undefined;

    await expect(rig.apply(plan, "stage")).rejects.toMatchObject({ code: "S3_ANSWER" });
  }, 120_000);
});
