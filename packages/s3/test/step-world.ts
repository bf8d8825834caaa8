import type { Json, PlannedStep } from "@lockstep/plugin";
import { type StepCase, testContext } from "@lockstep/testkit";
import type { s3, S3Connection } from "../src/index.ts";
import { filesOf, type Folder, type Server } from "./world.ts";

/** What a step contract is told of a step of S3, whatever the server shows and somebody else changes. */
export type PreparedStep = Pick<
  StepCase<Json, Json, Json, S3Connection>,
  "handler" | "connection" | "input" | "context" | "undo"
>;

/** The first step of a phase of the second release: the first release is live, earlier phases are done. */
export async function secondRelease(
  target: ReturnType<typeof s3>,
  phase: "stage" | "activate",
  { folder, server }: { readonly folder: Folder; readonly server: Server },
): Promise<PreparedStep> {
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
  return {
    handler,
    connection,
    input: step.input,
    context: surroundings,
    ...(phase === "stage" ? { undo: "leave" } : {}),
  };
}
