import { recover } from "@lockstep/core";
import { usage } from "../errors.ts";
import type { RunCommand } from "../program.ts";
import { runJob } from "../run-job.ts";

/** `lockstep recover [RUN]`: finish or put back what another process left. */
export const runRecover: RunCommand = async (invocation) => {
  const { word, flags } = invocation;
  if (flags.target !== undefined)
    throw usage("recover takes no --target: all targets of the run are put right.");
  return runJob(invocation, "recover", (job) =>
    recover(word === undefined ? job : { ...job, run: word }),
  );
};
