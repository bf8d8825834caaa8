import type { Json } from "@lockstep/plugin";
import {
  describeStepContract,
  type SandboxS3,
  startSandboxS3,
  type StepCase,
} from "@lockstep/testkit";
import { afterAll, beforeAll, describe } from "vitest";
import { s3, type S3Connection } from "../src/index.ts";
import { secondRelease } from "./step-world.ts";
import { Folder, optionsFor } from "./world.ts";

describe("steps on a sandbox server", () => {
  let server: SandboxS3;
  let count = 0;
  const names = Array.from({ length: 40 }, (_, index) => `shop-${index}`);
  beforeAll(async () => {
    server = await startSandboxS3({ buckets: names });
  });
  afterAll(async () => server[Symbol.asyncDispose]());

  describeStepContract("s3.stage", () => stepCase("stage"));
  describeStepContract("s3.activate", () => stepCase("activate"));

  async function stepCase(
    phase: "stage" | "activate",
  ): Promise<StepCase<Json, Json, Json, S3Connection>> {
    const bucket = names[count] ?? "";
    count += 1;
    const folder = await Folder.open();
    const target = s3(optionsFor(server, bucket));
    const step = await secondRelease(target, phase, { folder, server });
    const objects = server.buckets.get(bucket) ?? new Map();
    return {
      ...step,
      foreignEdit:
        phase === "stage"
          ? "what is staged is named by its digest"
          : async () => {
              const old = objects.get("index.html");
              if (old === undefined) throw new Error("there is no page");
              objects.set("index.html", {
                ...old,
                body: Buffer.from("by hand"),
                etag: '"hand"',
                headers: {},
              });
            },
      snapshot: async () =>
        [...objects]
          .filter(([key]) => key !== ".lockstep/current.json")
          .map(([key, { body, headers }]) => [key, Buffer.from(body).toString("base64"), headers])
          .concat([["live", pointerOf(objects.get(".lockstep/current.json"))]])
          .toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
      async dispose() {
        await step.connection[Symbol.asyncDispose]();
        await folder[Symbol.asyncDispose]();
      },
    };
  }
});

/** Without the nonce, which differs with every write. */
function pointerOf(object: { readonly body: Uint8Array } | undefined): unknown {
  const { nonce: _, stamp: __, ...rest } = JSON.parse(Buffer.from(object?.body ?? "{}").toString());
  return rest;
}
