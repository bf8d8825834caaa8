import { describeTargetContract, startSandboxS3 } from "@lockstep/testkit";
import { describe } from "vitest";
import { s3 } from "../../src/index.ts";
import { filesOf, Folder, optionsFor } from "../world.ts";
import { startDistribution } from "./distribution.ts";

describe("with a plain distribution in front", () => {
  describeTargetContract("s3", async () => {
    const server = await startSandboxS3({ buckets: ["shop"] });
    const distribution = await startDistribution();
    const folder = await Folder.open();
    const objects = server.buckets.get("shop") ?? new Map();
    const { id, endpoint } = distribution;
    return {
      target: s3(optionsFor(server, "shop", { cloudfront: { distribution: id, endpoint } })),
      folder: folder.path,
      secrets: { S3_SECRET: server.credentials.secretAccessKey },
      build: (version) => folder.build(filesOf(version)),
      observe: async () => pagesIn(objects),
      async foreignEdit() {
        for (const [key, object] of objects) {
          if (!/\.(?:html|css)$/.test(key)) continue;
          const body = Buffer.from("by hand");
          objects.set(key, { ...object, body, etag: '"hand"', headers: {} });
        }
      },
      async dispose() {
        await distribution[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
        await folder[Symbol.asyncDispose]();
      },
    };
  });
});

/** What is named by no digest, as visitors get it; null when there is no page. */
function pagesIn(
  objects: ReadonlyMap<string, { readonly body: Uint8Array; readonly headers: object }>,
): unknown {
  const live = [...objects].filter(([key]) => !/^(?:\.lockstep|assets)\//.test(key));
  if (!live.some(([key]) => key.endsWith(".html"))) return null;
  return live
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, { body, headers }]) => [key, Buffer.from(body).toString(), headers]);
}
