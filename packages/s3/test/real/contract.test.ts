import { describeTargetContract } from "@lockstep/testkit";
import { afterAll, beforeAll, describe } from "vitest";
import { s3 } from "../../src/index.ts";
import { filesOf, Folder, optionsFor, type Seen } from "../world.ts";
import { type Gateway, openGateway } from "./gateway.ts";

describe("on a Ceph RADOS gateway", () => {
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await openGateway();
  });
  afterAll(async () => gateway[Symbol.asyncDispose]());

  describeTargetContract("s3", async () => {
    const bucket = await gateway.bucket();
    const folder = await Folder.open();
    return {
      target: s3(optionsFor(gateway, bucket, { prefix: "site/" })),
      folder: folder.path,
      secrets: { S3_SECRET: gateway.credentials.secretAccessKey },
      build: (version) => folder.build(filesOf(version)),
      observe: async () => siteIn(await gateway.read(bucket, "site/")),
      async foreignEdit() {
        for (const key of (await gateway.read(bucket, "site/")).keys()) {
          if (/\.(?:html|css)$/.test(key)) await gateway.write(bucket, key, "by hand");
        }
      },
      dispose: () => folder[Symbol.asyncDispose](),
    };
  });
});

/** What visitors get: every page, with all that pages name; null when there is no page. */
function siteIn(objects: ReadonlyMap<string, Seen>): unknown {
  const live = [...objects].filter(([key]) => !key.includes(".lockstep/"));
  const pages = live.filter(([key]) => key.endsWith(".html"));
  if (pages.length === 0) return null;
  const texts = pages.map(([, { body }]) => body).join("\n");
  return live.filter(([key]) => {
    const name = key.slice(key.lastIndexOf("/") + 1);
    return !key.includes("assets/") || texts.includes(name);
  });
}
