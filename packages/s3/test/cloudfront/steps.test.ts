import type { Json, PlannedStep } from "@lockstep/plugin";
import {
  describeStepContract,
  startSandboxS3,
  type StepCase,
  testContext,
  type SandboxKeyValues,
  startSandboxKeyValues,
} from "@lockstep/testkit";
import { describe } from "vitest";
import { s3, type S3Connection } from "../../src/index.ts";
import { filesOf, Folder } from "../world.ts";
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
  const env = { S3_SECRET: server.credentials.secretAccessKey };
  const surroundings = { folder: folder.path, env };
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
  const objects = server.buckets.get("shop") ?? new Map();
  return {
    handler,
    connection,
    input: step.input,
    context: surroundings,
    ...(phase === "stage" ? { undo: "leave" } : {}),
    foreignEdit:
      phase === "stage"
        ? "what is staged is named by its digest"
        : async () => store.edit("site", '{"version":1,"id":"by hand"}'),
    snapshot: async () => [
      [...objects].map(([key, { body }]) => [key, Buffer.from(body).toString("base64")]),
      valuesOf(store),
    ],
    async dispose() {
      await connection[Symbol.asyncDispose]();
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
