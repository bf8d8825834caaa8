import type { Finding } from "@lockstep/plugin";
import { startSandboxS3 } from "@lockstep/testkit";
import { describe, expect, it } from "vitest";
import { s3Error, startFront } from "./front.ts";
import { Rig } from "./rig.ts";
import { startWebsite } from "./website.ts";
import { filesOf, Folder } from "./world.ts";

async function findings(rig: Rig, how: "doctor" | "audit" = "doctor"): Promise<Finding[]> {
  const found: Finding[] = [];
  for await (const finding of rig.target[how]?.(rig.context()) ?? []) found.push(finding);
  return found;
}

const texts = (all: readonly Finding[], level: Finding["level"]): string[] =>
  all.filter((finding) => finding.level === level).map(({ text }) => text);

describe("doctor and audit", () => {
  it("find nothing wrong with an empty bucket and with a site that is as it was deployed", async () => {
    await using rig = await Rig.open();
    expect(texts(await findings(rig), "ok")).toContain("No release is live");
    expect(texts(await findings(rig, "audit"), "ok")).toEqual(["No release is live yet"]);

    await rig.deploy(filesOf("one"));

    const found = await findings(rig);
    expect(found.filter(({ level }) => level !== "ok")).toEqual([]);
    expect(texts(await findings(rig, "audit"), "ok")).toEqual([
      "6 of 6 live objects are as they were deployed",
    ]);
  });

  it("find every object that was edited, deleted or given other headers", async () => {
    await using rig = await Rig.open();
    await rig.deploy(filesOf("one"));
    rig.edit("index.html", "hot fix");
    rig.objects.delete("about/index.html");
    const style = rig.objects.get("style.css");
    if (style !== undefined) {
      const headers = { ...style.headers, "cache-control": "max-age=1" };
      rig.objects.set("style.css", { ...style, headers });
    }

    expect(texts(await findings(rig, "audit"), "fail")).toEqual([
      "1 live objects are gone: about/index.html",
      "2 live objects were changed by others: index.html, style.css (headers)",
    ]);
  });

  it("find one byte that was changed under the same headers", async () => {
    await using rig = await Rig.open();
    await rig.deploy(filesOf("one"));
    const index = rig.objects.get("index.html");
    if (index === undefined) throw new Error("there is no page");
    const body = Buffer.from(index.body);
    body[body.length - 1] = 0x20;
    rig.objects.set("index.html", { ...index, body });

    const [found] = await findings(rig, "audit");

    expect(found).toMatchObject({
      level: "fail",
      text: "1 live objects were changed by others: index.html",
      fix: expect.stringContaining("remove the object, and deploy"),
    });
  });

  it("name what is there besides, and never what kept or staged releases have", async () => {
    await using rig = await Rig.open({ prefix: "site/" });
    await rig.deploy(filesOf("one"));
    await rig.deploy(filesOf("two"));
    await rig.folder.build(filesOf("three"));
    await rig.apply(await rig.plan(), "stage");
    for (const key of ["site/theirs.html", "site2/theirs.html", "theirs.html"]) rig.edit(key, "");

    const found = await findings(rig, "audit");

    expect(texts(found, "warn")).toEqual([
      "1 objects below s3://shop/site/ are of no release, and stay: site/theirs.html",
    ]);
    expect(texts(found, "fail")).toEqual([]);
  });

  it("say how a page that is gone comes back, which no deploy of the same source does", async () => {
    await using rig = await Rig.open();
    await rig.deploy(filesOf("one"));
    rig.objects.delete("about/index.html");

    const [found] = await findings(rig, "audit");
    const key = /s3:\/\/shop\/(\.lockstep\/blobs\/\w+)/.exec(found?.fix ?? "")?.[1] ?? "";
    const kept = rig.objects.get(key);
    if (kept !== undefined) rig.objects.set("about/index.html", kept);

    expect(texts(await findings(rig, "audit"), "ok")).toEqual([
      "6 of 6 live objects are as they were deployed",
    ]);
  });

  it("find two releases that are mixed", async () => {
    await using rig = await Rig.open();
    await rig.deploy(filesOf("one"));
    const other = `sha256:${"0".repeat(64)}`;
    const pointer = JSON.parse(rig.text(".lockstep/current.json") ?? "{}");
    rig.edit(".lockstep/current.json", JSON.stringify({ ...pointer, moving: { to: other } }));

    expect(texts(await findings(rig), "fail")).toEqual([
      expect.stringMatching(/^Two releases are mixed: sha256:\w+ and sha256:0+$/),
    ]);
  });

  it("warn when everybody may read Lockstep's own objects", async () => {
    await using plain = await Rig.open();
    await using website = await startWebsite(plain.objects);
    await using rig = await plain.again({ check: { url: website.url } });
    await rig.deploy(filesOf("one"));

    expect(texts(await findings(rig), "warn")).toEqual([
      `Everybody may read Lockstep's own objects: ${website.url}/.lockstep/current.json`,
    ]);
  });

  it.each([
    ["list", "GET", "s3:ListBucket"],
    ["write", "PUT", "s3:PutObject"],
    ["remove", "DELETE", "s3:DeleteObject"],
  ])("find that the account may not %s, and change nothing", async (what, method, action) => {
    await using server = await startSandboxS3({ buckets: ["shop"] });
    await using front = await startFront(server);
    await using folder = await Folder.open();
    await using rig = await Rig.join({ server: front, folder });
    await rig.deploy(filesOf("one"));
    const before = new Map(server.buckets.get("shop"));
    front.trick = (asked) => {
      const isMeant = asked.method === method && (method !== "GET" || asked.url.includes("list-"));
      return isMeant ? { status: 403, body: s3Error("AccessDenied") } : undefined;
    };

    const found = await findings(rig);

    expect(found.filter(({ level }) => level === "fail")).toEqual([
      {
        level: "fail",
        text: expect.stringContaining(`The account may not ${what} `),
        fix: `Allow it ${action}.`,
      },
    ]);
    expect(server.buckets.get("shop")).toEqual(before);
  });

  it("leave the bucket as it is, and say before the first run that writing was not tried", async () => {
    await using rig = await Rig.open({ prefix: "site/" });
    expect(texts(await findings(rig), "ok")).toContain(
      "Whether the account may write and remove below s3://shop/site/ was not tried: the first run does",
    );
    expect([...rig.objects.keys()]).toEqual([]);
    await rig.deploy(filesOf("one"));
    const before = new Map(rig.objects);

    expect(texts(await findings(rig), "ok")).toContain(
      "The account may write below s3://shop/site/",
    );
    expect(rig.objects).toEqual(before);
  });

  it.each([
    [-20, "20 minutes ahead of"],
    [20, "20 minutes behind"],
  ])("warn when the server's clock is %s minutes away", async (minutes, what) => {
    await using server = await startSandboxS3({ buckets: ["shop"] });
    await using front = await startFront(server);
    await using folder = await Folder.open();
    await using rig = await Rig.join({ server: front, folder });
    front.answerHeaders["date"] = new Date(Date.now() + minutes * 60_000).toUTCString();

    expect(texts(await findings(rig), "warn")).toEqual([
      `The clock of this machine is ${what} the server's`,
    ]);
  });

  it("find that everybody may list, or write", async () => {
    await using server = await startSandboxS3({ buckets: ["shop"] });
    await using front = await startFront(server);
    await using folder = await Folder.open();
    await using rig = await Rig.join({ server: front, folder });
    await rig.deploy(filesOf("one"));
    front.trick = ({ method, url, headers }) => {
      if (headers.authorization !== undefined) return undefined;
      if (method === "PUT") return headers["if-match"] === undefined ? undefined : { status: 412 };
      return url.includes("list-type=2") ? { status: 200 } : undefined;
    };

    const found = await findings(rig);

    expect(texts(found, "warn")).toEqual([`Everybody may list the bucket: ${front.endpoint}/shop`]);
    expect(texts(found, "fail")).toEqual([
      `Everybody may write to the bucket: ${front.endpoint}/shop`,
    ]);
  });

  it("print the least policy for this bucket and prefix", async () => {
    const key = "arn:aws:kms:eu-1:1:key/2";
    await using rig = await Rig.open({
      prefix: "site/",
      encryption: { kms: key },
      tags: { team: "shop" },
    });

    const said = texts(await findings(rig), "ok").find((text) => text.startsWith("Rights")) ?? "";

    expect(JSON.parse(said.slice(said.indexOf("{")))).toMatchInlineSnapshot(`
      {
        "Statement": [
          {
            "Action": [
              "s3:GetObject",
              "s3:PutObject",
              "s3:DeleteObject",
              "s3:AbortMultipartUpload",
              "s3:PutObjectTagging",
            ],
            "Effect": "Allow",
            "Resource": "arn:aws:s3:::shop/site/*",
          },
          {
            "Action": "s3:ListBucket",
            "Condition": {
              "StringLike": {
                "s3:prefix": "site/*",
              },
            },
            "Effect": "Allow",
            "Resource": "arn:aws:s3:::shop",
          },
          {
            "Action": [
              "kms:GenerateDataKey",
              "kms:Decrypt",
            ],
            "Effect": "Allow",
            "Resource": "arn:aws:kms:eu-1:1:key/2",
          },
        ],
        "Version": "2012-10-17",
      }
    `);
  });

  it("say what is wrong when the bucket is not there", async () => {
    await using rig = await Rig.open();
    (rig.sandbox.buckets as Map<string, unknown>).delete("shop");

    expect(await findings(rig)).toEqual([
      { level: "fail", text: "There is no bucket shop.", fix: expect.any(String) },
    ]);
  });
});
