import { recover } from "@lockstep/core";
import type { RunCommand } from "../program.ts";
import { runJob } from "../run-job.ts";

/** `lockstep recover [RUN]`: finish or put back what another process left. */
export const runRecover: RunCommand = async (invocation) =>
  runJob(invocation, (job) =>
    recover(invocation.word === undefined ? job : { ...job, run: invocation.word }),
  );
