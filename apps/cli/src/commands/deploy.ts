import { deploy } from "@lockstep/core";
import { folderOf } from "../open.ts";
import type { RunCommand } from "../program.ts";
import { newRelease } from "../release.ts";
import { runJob } from "../run-job.ts";

/** `lockstep deploy`: plan, confirm, apply. */
export const runDeploy: RunCommand = async (invocation) => {
  const release = await newRelease(folderOf(invocation), new Date());
  return runJob(invocation, "deploy", (job) => deploy({ ...job, release }));
};
