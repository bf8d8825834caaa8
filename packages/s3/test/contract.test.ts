import { describeTargetContract, type S3Quirks, startSandboxS3 } from "@lockstep/testkit";
import { describe } from "vitest";
import { s3, type S3Options } from "../src/index.ts";
import { filesOf, Folder, optionsFor } from "./world.ts";

const QUIRKS: readonly (readonly [string, S3Quirks, Partial<S3Options>])[] = [
  ["a server that does everything", {}, {}],
  ["a server that does everything, through the SDK alone", {}, { engine: "sdk" }],
  [
    "a site below a prefix, on a server that knows ETags without quotes",
    { unquotedIfMatch: true },
    { prefix: "site/" },
  ],
  ["a server that ignores conditions", { ignoresConditions: true }, {}],
];

describe.each(QUIRKS)("on %s", (_name, quirks, options) => {
  const { prefix = "" } = options;
  describeTargetContract("s3", async () => {
    const server = await startSandboxS3({ buckets: ["shop"], quirks });
    const folder = await Folder.open();
    const objects = server.buckets.get("shop") ?? new Map();
    const edit = async (): Promise<void> => {
      for (const [key, object] of objects) {
        if (!/\.(?:html|css)$/.test(key)) continue;
        objects.set(key, { ...object, body: Buffer.from("by hand"), etag: '"hand"', headers: {} });
      }
    };
    return {
      target: s3(optionsFor(server, "shop", options)),
      folder: folder.path,
      secrets: { S3_SECRET: server.credentials.secretAccessKey },
      build: (version) => folder.build(filesOf(version)),
      observe: async () => siteIn(objects, prefix),
      foreignEdit: edit,
      async dispose() {
        await server[Symbol.asyncDispose]();
        await folder[Symbol.asyncDispose]();
      },
    };
  });
});

type Objects = ReadonlyMap<string, { readonly body: Uint8Array; readonly headers: object }>;

/** What visitors get: every page, with all that pages name; null when there is no page. */
function siteIn(objects: Objects, prefix: string): unknown {
  const live = [...objects].filter(
    ([key]) => key.startsWith(prefix) && !key.includes(".lockstep/"),
  );
  const pages = live.filter(([key]) => key.endsWith(".html"));
  if (pages.length === 0) return null;
  const texts = pages.map(([, { body }]) => Buffer.from(body).toString()).join("\n");
  const seen = live.filter(([key]) => {
    const name = key.slice(key.lastIndexOf("/") + 1);
    return key.endsWith(".html") || !key.includes("assets/") || texts.includes(name);
  });
  return seen
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, { body, headers }]) => [key, Buffer.from(body).toString(), headers]);
}
