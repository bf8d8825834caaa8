import { deploy } from "@lockstep/core";
import { configOf } from "../open.ts";
import type { RunCommand } from "../program.ts";
import { releaseOf } from "../release.ts";
import { runJob } from "../run-job.ts";

/** `lockstep deploy`: plan, confirm, apply. */
export const runDeploy: RunCommand = async (invocation) => {
  const delivery = await releaseOf(invocation, await configOf(invocation));
  return runJob(invocation, "deploy", (job) => deploy({ ...job, ...delivery }));
};
