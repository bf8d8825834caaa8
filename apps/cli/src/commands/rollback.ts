import { rollback } from "@lockstep/core";
import type { RunCommand } from "../program.ts";
import { runJob } from "../run-job.ts";

/** `lockstep rollback`: make an earlier release live again. */
export const runRollback: RunCommand = async (invocation) => {
  const { to } = invocation.flags;
  return runJob(invocation, "rollback", (job) => rollback(to === undefined ? job : { ...job, to }));
};
