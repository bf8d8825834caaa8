import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Front, startFront } from "../front.ts";
import { firstOf, passing } from "../passing.ts";
import { Rig } from "../rig.ts";
import { filesOf, Folder } from "../world.ts";
import { type Gateway, openGateway } from "./gateway.ts";

const MIB = 1024 * 1024;

describe("before a Ceph RADOS gateway, trouble", () => {
  let gateway: Gateway;
  let front: Front;
  beforeAll(async () => {
    gateway = await openGateway();
    front = await startFront(gateway);
  }, 60_000);
  afterAll(async () => {
    await front[Symbol.asyncDispose]();
    await gateway[Symbol.asyncDispose]();
  });

  async function shopIn(bucket: string, limits = {}): Promise<Rig> {
    front.trick = () => undefined;
    const folder = await Folder.open();
    const options = { bucket, limits: { backoffMs: 5, timeoutMs: 5_000, ...limits } };
    return Rig.join({ server: front, folder, owned: [folder] }, options);
  }

  it.each(passing)("such as %s passes, and changes nothing in the end", async (...given) => {
    const [, isMeant, trick] = given;
    const bucket = await gateway.bucket();
    await using rig = await shopIn(bucket);
    await rig.deploy(filesOf("one"));
    front.trick = firstOf(isMeant, trick, 2);

    await rig.deploy(filesOf("two"));

    const seen = await gateway.read(bucket);
    for (const [key, text] of Object.entries(filesOf("two")))
      expect(seen.get(key)?.body).toBe(text);
    expect(seen.has("old.html")).toBe(false);
    front.trick = () => undefined;
    expect((await rig.live()).kept).toHaveLength(1);
  });

  it("in the middle of the copies is put back to the last byte", async () => {
    const bucket = await gateway.bucket();
    await using rig = await shopIn(bucket, { tries: 2, inFlight: 1 });
    await rig.deploy(filesOf("one"));
    await rig.folder.build(filesOf("two"));
    const plan = await rig.plan();
    await rig.fence();
    await rig.apply(plan, "stage");
    const [step] = plan.steps.filter(({ phase }) => phase === "activate");
    const activate = rig.target.steps.find(({ kind }) => kind === step?.kind);
    if (step === undefined || activate === undefined) throw new Error("nothing to activate");
    const before = await activate.inspect(step.input, rig.context());
    let copies = 0;
    front.trick = ({ isCopy }) => (isCopy && (copies += 1) > 2 ? { status: 403 } : undefined);
    const applied = activate.apply(step.input, before, rig.context());
    await expect(applied).rejects.toMatchObject({ code: "S3_DENIED" });
    front.trick = () => undefined;

    expect(await rig.revert([{ step, before }])).toEqual(["restored"]);

    const seen = await gateway.read(bucket);
    for (const [key, text] of Object.entries(filesOf("one")))
      expect(seen.get(key)?.body).toBe(text);
    expect(seen.has("new.html")).toBe(false);
  });

  it("with parts of a file passes: one refused, one answer lost, and the answer to the end", async () => {
    const bucket = await gateway.bucket();
    await using rig = await shopIn(bucket, { partBytes: 5 * MIB });
    const film = "film".repeat((21 * MIB) / 4);
    const troubled = new Set<string>();
    front.trick = ({ method, url }) => {
      const part = /partNumber=(\d+)/.exec(url)?.[1];
      const name = part ?? (method === "POST" && url.includes("uploadId=") ? "end" : "");
      if (!["2", "3", "end"].includes(name) || troubled.has(name)) return undefined;
      troubled.add(name);
      return name === "2" ? { status: 500 } : "lose";
    };

    await rig.deploy({ "index.html": "<p>", "film.mp4": film });

    expect([...troubled].toSorted()).toEqual(["2", "3", "end"]);
    expect((await gateway.read(bucket)).get("film.mp4")?.body === film).toBe(true);
  }, 60_000);

  it("that stays ends the upload of parts, and leaves none of them behind", async () => {
    const bucket = await gateway.bucket();
    await using rig = await shopIn(bucket, { partBytes: 5 * MIB, tries: 2 });
    await rig.folder.build({ "index.html": "<p>", "film.mp4": "film".repeat((21 * MIB) / 4) });
    const plan = await rig.plan();
    front.trick = ({ url }) => (url.includes("partNumber=3") ? { status: 403 } : undefined);

    await expect(rig.apply(plan, "stage")).rejects.toMatchObject({ code: "S3_DENIED" });

    expect(await gateway.uploads(bucket)).toEqual([]);
  }, 60_000);
});
