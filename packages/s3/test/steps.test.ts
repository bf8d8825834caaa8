import type { Json, PlannedStep } from "@lockstep/plugin";
import {
  describeStepContract,
  type SandboxS3,
  startSandboxS3,
  type StepCase,
  testContext,
} from "@lockstep/testkit";
import { afterAll, beforeAll, describe } from "vitest";
import { s3, type S3Connection } from "../src/index.ts";
import { filesOf, Folder, optionsFor } from "./world.ts";

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
    const surroundings = {
      folder: folder.path,
      env: { S3_SECRET: server.credentials.secretAccessKey },
    };
    const connection = await target.connect(testContext(undefined, surroundings));
    const context = testContext(connection, surroundings);
    const planned = async (version: string): Promise<readonly PlannedStep[]> => {
      await folder.build(filesOf(version));
      const release = { id: "20261121T000000Z-00000000", createdAt: "2026-11-21T00:00:00.000Z" };
      const planning = { ...context, outputs: () => undefined };
      return (await target.plan({ kind: "deploy", release }, planning)).steps;
    };
    const run = async (steps: readonly PlannedStep[], wanted: string): Promise<void> => {
      for (const { kind, input } of steps.filter((step) => step.phase === wanted)) {
        const step = target.steps.find((one) => one.kind === kind);
        await step?.apply(input, await step.inspect(input, context), context);
      }
    };
    const first = await planned("one");
    await run(first, "stage");
    await run(first, "activate");
    const second = await planned("two");
    if (phase === "activate") await run(second, "stage");
    const step = second.find((one) => one.phase === phase);
    const handler = target.steps.find(({ kind }) => kind === step?.kind);
    if (step === undefined || handler === undefined) throw new Error(`nothing to ${phase}`);
    const objects = server.buckets.get(bucket) ?? new Map();
    return {
      handler,
      connection,
      input: step.input,
      context: surroundings,
      ...(phase === "stage" ? { undo: "leave" } : {}),
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
        await connection[Symbol.asyncDispose]();
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
