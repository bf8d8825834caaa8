import { describeTargetContract, startSandboxS3, startSandboxKeyValues } from "@lockstep/testkit";
import { describe } from "vitest";
import { s3 } from "../../src/index.ts";
import { filesOf, Folder } from "../world.ts";
import { routedOptions, siteAt } from "./routed-world.ts";

describe.each(["", "site/"])("behind the router, below the prefix %j", (prefix) => {
  describeTargetContract("s3", async () => {
    const server = await startSandboxS3({ buckets: ["shop"] });
    const store = await startSandboxKeyValues(server.credentials.accessKeyId);
    const folder = await Folder.open();
    const objects = server.buckets.get("shop") ?? new Map();
    return {
      target: s3(routedOptions({ server, store }, { prefix })),
      folder: folder.path,
      secrets: { S3_SECRET: server.credentials.secretAccessKey },
      build: (version) => folder.build(filesOf(version)),
      observe: () => siteAt(store.values, objects),
      foreignEdit: async () => {
        const route = JSON.parse(store.values.get("site") ?? "{}") as object;
        store.edit("site", JSON.stringify({ ...route, id: "f".repeat(64) }));
      },
      async dispose() {
        await store[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
        await folder[Symbol.asyncDispose]();
      },
    };
  });
});
