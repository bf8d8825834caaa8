import type { Json } from "@lockstep/plugin";
import {
  describeStepContract,
  startSandboxS3,
  type StepCase,
  type SandboxKeyValues,
  startSandboxKeyValues,
} from "@lockstep/testkit";
import { describe } from "vitest";
import { s3, type S3Connection } from "../../src/index.ts";
import { secondRelease } from "../step-world.ts";
import { Folder } from "../world.ts";
import { routedOptions } from "./routed-world.ts";

describe("steps behind the router", () => {
  describeStepContract("s3.stage-routed", () => stepCase("stage"));
  describeStepContract("s3.activate-routed", () => stepCase("activate"));
});

async function stepCase(
  phase: "stage" | "activate",
): Promise<StepCase<Json, Json, Json, S3Connection>> {
  const server = await startSandboxS3({ buckets: ["shop"] });
  const store = await startSandboxKeyValues(server.credentials.accessKeyId);
  const folder = await Folder.open();
  const target = s3(routedOptions({ server, store }));
  const step = await secondRelease(target, phase, { folder, server });
  const objects = server.buckets.get("shop") ?? new Map();
  return {
    ...step,
    foreignEdit:
      phase === "stage"
        ? "what is staged is named by its digest"
        : async () => store.edit("site", '{"version":1,"id":"by hand"}'),
    snapshot: async () => [
      [...objects].map(([key, { body }]) => [key, Buffer.from(body).toString("base64")]),
      valuesOf(store),
    ],
    async dispose() {
      await step.connection[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Without the nonce and the stamp, which differ with every write. */
function valuesOf({ values }: SandboxKeyValues): unknown {
  const all = [...values].filter(([key]) => key !== "site.control");
  return all.toSorted(([a], [b]) => (a < b ? -1 : 1));
}
