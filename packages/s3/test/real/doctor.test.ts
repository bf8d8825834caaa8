import type { Finding } from "@lockstep/plugin";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Rig } from "../rig.ts";
import { filesOf, Folder } from "../world.ts";
import { type Gateway, openGateway } from "./gateway.ts";

describe("on a Ceph RADOS gateway", () => {
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await openGateway();
  }, 60_000);
  afterAll(async () => gateway[Symbol.asyncDispose]());

  const findings = async (rig: Rig, how: "doctor" | "audit"): Promise<Finding[]> => {
    const found: Finding[] = [];
    for await (const finding of rig.target[how]?.(rig.context()) ?? []) found.push(finding);
    return found;
  };

  it("doctor tries every right and writes nothing, and a deep look finds one byte", async () => {
    const bucket = await gateway.bucket();
    await using folder = await Folder.open();
    await using rig = await Rig.join({ server: gateway, folder }, { bucket, prefix: "site/" });
    await rig.deploy(filesOf("one"));
    const before = await gateway.keys(bucket);

    const found = await findings(rig, "doctor");
    expect(found.filter(({ level }) => level !== "ok")).toEqual([]);
    expect(found.map(({ text }) => text)).toEqual(
      expect.arrayContaining([
        `The account may write below s3://${bucket}/site/`,
        `The account may remove below s3://${bucket}/site/`,
      ]),
    );
    expect(await gateway.keys(bucket)).toEqual(before);

    const texts = found.map(({ text }) => text);
    expect(texts).toContain(
      `Neither policy nor ACL of s3://${bucket} let everybody read it; visitors need a CDN that may`,
    );

    expect(await findings(rig, "audit")).toEqual([
      { level: "ok", text: "6 of 6 live objects are as they were deployed" },
    ]);
    await gateway.write(bucket, "site/same.txt", "The same in all");
    await gateway.write(bucket, "site/theirs.txt", "theirs");
    expect((await findings(rig, "audit")).map(({ level, text }) => `${level}: ${text}`)).toEqual([
      "fail: 1 live objects were changed by others: same.txt",
      `warn: 1 objects below s3://${bucket}/site/ are of no release, and stay: site/theirs.txt`,
      "ok: 5 of 6 live objects are as they were deployed",
    ]);
  });

  it("doctor tells what a policy lets everybody read", async () => {
    const bucket = await gateway.bucket();
    await using folder = await Folder.open();
    await using rig = await Rig.join({ server: gateway, folder }, { bucket, prefix: "site/" });
    await rig.deploy(filesOf("one"));
    const Resource = [`arn:aws:s3:::${bucket}/*`];
    await gateway.allow(bucket, {
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Principal: "*", Action: "s3:GetObject", Resource }],
    });

    const found = (await findings(rig, "doctor")).map(({ level, text }) => `${level}: ${text}`);

    expect(found).toEqual(
      expect.arrayContaining([
        `ok: The policy of s3://${bucket} lets everybody read: ${Resource[0]}`,
        `warn: Everybody may read more of s3://${bucket} than the site: ${Resource[0]}`,
        expect.stringMatching(/^warn: Everybody may read Lockstep's own objects/),
      ]),
    );
  });
});
