import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { apply, type Plan, planDigest } from "@lockstep/core";
import { planAltered, planUnreadable, usage } from "../errors.ts";
import type { Invocation, RunCommand } from "../program.ts";
import { runJob } from "../run-job.ts";

/** `lockstep apply FILE`: run exactly a plan that `lockstep plan` saved. */
export const runApply: RunCommand = async (invocation) => {
  const { flags, word = "" } = invocation;
  if (flags.target !== undefined)
    throw usage("apply takes no --target: the plan names its targets.");
  const plan = await savedPlan(invocation, word);
  const env = flags.env ?? plan.environment;
  if (env !== plan.environment)
    throw usage(`${word} is a plan for ${plan.environment}, and --env says ${env}.`);
  // Saving a plan and naming it is the yes; a protected environment still wants its name.
  const decided = { ...invocation, flags: { ...flags, env, yes: true } };
  return runJob(decided, "deploy", (job) => apply({ ...job, plan }));
};

async function savedPlan({ shell }: Invocation, file: string): Promise<Plan> {
  const { digest, plan } = await readDocument(resolve(shell.cwd, file), file);
  if (plan?.version !== 1 || plan.kind !== "deploy") throw planUnreadable(file, "it is no plan");
  if (planDigest(plan) !== digest) throw planAltered(file);
  return plan;
}

async function readDocument(
  path: string,
  file: string,
): Promise<{ readonly digest?: string; readonly plan?: Plan }> {
  try {
    const document: unknown = JSON.parse(await readFile(path, "utf8"));
    return typeof document === "object" && document !== null ? document : {};
  } catch (cause) {
    const isSyntax = cause instanceof SyntaxError;
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "it failed";
    throw planUnreadable(file, isSyntax ? "it is not JSON" : code, cause);
  }
}
