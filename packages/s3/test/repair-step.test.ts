import type { Json } from "@lockstep/plugin";
import { describeStepContract, type StepCase } from "@lockstep/testkit";
import { describe } from "vitest";
import type { S3Connection } from "../src/index.ts";
import { Rig } from "./rig.ts";
import { filesOf, scriptOf } from "./world.ts";

/** The step that puts back a page, a style and a script which somebody removed. */
async function repairCase(): Promise<StepCase<Json, Json, Json, S3Connection>> {
  const rig = await Rig.open({ repair: true });
  await rig.deploy(filesOf("one"));
  const script = scriptOf(`console.log("one")`);
  for (const key of ["about/index.html", "style.css", script]) rig.objects.delete(key);
  const [step] = (await rig.plan()).steps;
  const handler = rig.target.steps.find(({ kind }) => kind === step?.kind);
  if (step === undefined || handler === undefined) throw new Error("nothing to put back");
  const { folder, env } = rig.context();
  return {
    handler,
    connection: rig.connection,
    input: step.input,
    context: { folder, env },
    undo: "leave",
    foreignEdit: "nothing that is there is replaced",
    snapshot: async () =>
      [...rig.objects.keys()].toSorted().map((key) => {
        const found = rig.objects.get(key);
        const body = Buffer.from(found?.body ?? "").toString("base64");
        return { key, body, headers: found?.headers ?? {} };
      }),
    dispose: () => rig[Symbol.asyncDispose](),
  };
}

describe("steps on a sandbox server", () => {
  describeStepContract("s3.repair", repairCase);
});
