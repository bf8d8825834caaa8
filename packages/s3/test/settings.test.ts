import { describe, expect, it } from "vitest";
import { settingsMissing } from "../src/settings-kept.ts";
import { Rig } from "./rig.ts";
import { filesOf } from "./world.ts";

const KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd";

const SETTINGS = {
  encryption: { kms: KEY },
  storageClass: "STANDARD_IA",
  tags: { team: "shop", "cost-center": "a/b c" },
  expectedBucketOwner: "123456789012",
};

/** What a deep look says. */
async function auditOf(rig: Rig): Promise<string[]> {
  const said: string[] = [];
  for await (const { level, text } of rig.target.audit?.(rig.context()) ?? []) {
    said.push(`${level}: ${text}`);
  }
  return said;
}

describe.each(["own", "sdk"] as const)("settings of a bucket, by the engine %s,", (engine) => {
  it("are sent with every object, copies and parts too, and read back", async () => {
    const limits = { partBytes: 5 * 1024 * 1024 };
    await using rig = await Rig.open({ ...SETTINGS, engine, limits });
    await rig.deploy({ ...filesOf("one"), "film.mp4": Buffer.alloc(21 * 1024 * 1024, 1) });
    await rig.deploy({ ...filesOf("two"), "film.mp4": Buffer.alloc(21 * 1024 * 1024, 2) });

    for (const key of ["index.html", "film.mp4", ...rig.keys(), ...blobsIn(rig)]) {
      expect(rig.objects.get(key)?.headers, key).toMatchObject({
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": KEY,
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-tagging": "team=shop&cost-center=a%2Fb+c",
      });
    }
    expect(await auditOf(rig)).toEqual([expect.stringMatching(/^ok: \d+ of \d+ live objects/)]);
  });

  it("that objects were not sent with are named by a deep look", async () => {
    await using plain = await Rig.open({ engine });
    await plain.deploy(filesOf("one"));
    await using rig = await plain.beside({ ...SETTINGS, engine });

    const said = await auditOf(rig);

    expect(said[0]).toMatch(/^warn: 6 live objects are not stored as the config says: about/);
    expect(said[0]).toContain("index.html (encryption, storage class, tags)");
  });
});

describe("a bucket of another account", () => {
  it("is refused before anything is read or written", async () => {
    await using rig = await Rig.open({ expectedBucketOwner: "999999999999" });
    await rig.folder.build(filesOf("one"));

    await expect(rig.live()).rejects.toMatchObject({ code: "S3_DENIED" });
    await expect(rig.plan()).rejects.toMatchObject({ code: "S3_DENIED" });
    expect(rig.objects.size).toBe(0);
  });
});

describe("what a server says of a setting", () => {
  const kms = {
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": "1234abcd",
  };

  it.each([
    ["nothing where nothing was asked for", {}, {}, []],
    ["nothing of the usual class", { "x-amz-storage-class": "STANDARD" }, {}, []],
    ["another class", { "x-amz-storage-class": "GLACIER_IR" }, {}, ["storage class"]],
    ["the key in full", kms, { ...kms, "x-amz-server-side-encryption-aws-kms-key-id": KEY }, []],
    [
      "another key",
      kms,
      { ...kms, "x-amz-server-side-encryption-aws-kms-key-id": "other" },
      ["encryption"],
    ],
    ["another encryption", kms, { "x-amz-server-side-encryption": "AES256" }, ["encryption"]],
    ["fewer tags", { "x-amz-tagging": "a=1&b=2" }, { "x-amz-tagging-count": "1" }, ["tags"]],
  ])("%s", (_name, wanted, found, missing) => {
    expect(settingsMissing(wanted, found as Record<string, string>)).toEqual(missing);
  });
});

function blobsIn({ objects }: Rig): string[] {
  return [...objects.keys()].filter((key) => key.includes("/blobs/"));
}
