import type { Finding } from "@lockstep/plugin";
import type { S3Access } from "@lockstep/testkit";
import { describe, expect, it } from "vitest";
import { RoutedRig } from "./cloudfront/routed-rig.ts";
import { Rig } from "./rig.ts";

const EVERYBODY = { Effect: "Allow", Principal: "*", Action: "s3:GetObject" };
const BLOCKS = [
  "BlockPublicAcls",
  "IgnorePublicAcls",
  "BlockPublicPolicy",
  "RestrictPublicBuckets",
];

async function findings(rig: Rig): Promise<string[]> {
  const found: Finding[] = [];
  for await (const finding of rig.target.doctor?.(rig.context()) ?? []) found.push(finding);
  return found.map(({ level, text }) => `${level}: ${text}`);
}

/** What doctor says of a bucket with these settings, of the settings alone. */
async function saidOf(access: S3Access, prefix = ""): Promise<string[]> {
  await using rig = await Rig.open({ prefix, server: { access } });
  const said = await findings(rig);
  return said.filter((text) => /(?:policy|ACL) of|more of|in full/.test(text));
}

function policyOf(...statements: readonly object[]): NonNullable<S3Access["policy"]> {
  return { document: { Version: "2012-10-17", Statement: statements }, isPublic: true };
}

describe("doctor, about the settings of a bucket", () => {
  it.each<[string, S3Access, string[]]>([
    [
      "nobody is let in",
      {},
      [
        "ok: Neither policy nor ACL of s3://shop let everybody read it; visitors need a CDN that may",
      ],
    ],
    [
      "public access is blocked",
      { blocks: BLOCKS, ownership: "BucketOwnerEnforced" },
      [
        `ok: Neither policy nor ACL of s3://shop let everybody read it, and public access is blocked: ${BLOCKS.join(", ")}; visitors need a CDN that may`,
      ],
    ],
    [
      "a policy lets everybody read",
      { policy: policyOf({ ...EVERYBODY, Resource: "arn:aws:s3:::shop/*" }) },
      ["ok: The policy of s3://shop lets everybody read: arn:aws:s3:::shop/*"],
    ],
    [
      "a policy for everybody is not in force",
      {
        blocks: ["RestrictPublicBuckets"],
        policy: policyOf({ ...EVERYBODY, Resource: "arn:aws:s3:::shop/*" }),
      },
      [
        "warn: The policy of s3://shop is for everybody, and RestrictPublicBuckets keeps everybody out",
      ],
    ],
    [
      "a policy lets everybody write",
      {
        policy: policyOf(
          { ...EVERYBODY, Principal: { AWS: ["*"] }, Action: "S3:*Object", Resource: ["a", "b"] },
          { ...EVERYBODY, Effect: "Deny", Action: "*", Resource: "c" },
          { ...EVERYBODY, Principal: { AWS: "arn:aws:iam::1:root" }, Action: "*", Resource: "d" },
          { ...EVERYBODY, Condition: { IpAddress: {} }, Action: "*", Resource: "e" },
        ),
      },
      [
        "ok: The policy of s3://shop lets everybody read: a, b",
        "fail: The policy of s3://shop gives everybody s3:PutObject: a, b",
        "fail: The policy of s3://shop gives everybody s3:DeleteObject: a, b",
      ],
    ],
    [
      "an ACL lets everybody in",
      { grants: { AllUsers: "READ", AuthenticatedUsers: "WRITE", LogDelivery: "WRITE" } },
      [
        "warn: The ACL of s3://shop lets everybody list it",
        "fail: The ACL of s3://shop lets everybody with an account of any kind write to it",
      ],
    ],
    [
      "an ACL that does not count",
      { grants: { AllUsers: "FULL_CONTROL" }, ownership: "BucketOwnerEnforced" },
      [
        "ok: Neither policy nor ACL of s3://shop let everybody read it; visitors need a CDN that may",
      ],
    ],
    [
      "settings that may not be read",
      { hidden: ["publicAccessBlock", "policyStatus", "policy", "acl", "ownershipControls"] },
      [
        "ok: Who may use s3://shop was not read in full, which no run needs: the account lacks s3:GetBucketPublicAccessBlock, s3:GetBucketPolicyStatus, s3:GetBucketPolicy, s3:GetBucketAcl, s3:GetBucketOwnershipControls",
      ],
    ],
  ])("says it when %s", async (_name, access, wanted) => {
    expect(await saidOf(access)).toEqual(wanted);
  });

  it("tells what everybody may read beyond the prefix of the site", async () => {
    const Resource = ["arn:aws:s3:::shop/site/*", "arn:aws:s3:::shop/*"];
    const others = { ...EVERYBODY, NotResource: "arn:aws:s3:::shop/site/.lockstep/*" };
    const access = { policy: policyOf({ ...EVERYBODY, Resource }, others) };

    expect(await saidOf(access, "site/")).toContain(
      "warn: Everybody may read more of s3://shop than the site: arn:aws:s3:::shop/*, all but arn:aws:s3:::shop/site/.lockstep/*",
    );
    const own = { policy: policyOf({ ...EVERYBODY, Resource: Resource[0] }) };
    expect((await saidOf(own, "site/")).join()).not.toContain("more of");
  });

  it("warns of a way past the router", async () => {
    const policy = policyOf({ ...EVERYBODY, Resource: "arn:aws:s3:::shop/*" });
    await using open = await RoutedRig.open({ server: { access: { policy } } });
    await using closed = await RoutedRig.open();

    expect(await findings(open.rig)).toContain(
      "warn: Everybody may read s3://shop past the router, what is not live yet included",
    );
    expect(await findings(closed.rig)).toContain(
      "ok: Neither policy nor ACL of s3://shop let everybody read it",
    );
  });

  it("prints the rights that it uses besides those of a run", async () => {
    await using rig = await Rig.open();

    const said =
      (await findings(rig)).find((text) => text.includes("only `lockstep doctor`")) ?? "";

    expect(JSON.parse(said.slice(said.indexOf("{")))).toEqual({
      Effect: "Allow",
      Action: [
        "s3:GetBucketPublicAccessBlock",
        "s3:GetBucketPolicyStatus",
        "s3:GetBucketPolicy",
        "s3:GetBucketAcl",
        "s3:GetBucketOwnershipControls",
      ],
      Resource: "arn:aws:s3:::shop",
    });
  });
});
