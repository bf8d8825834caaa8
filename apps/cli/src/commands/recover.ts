import { recover, type RecoverJob } from "@lockstep/core";
import { EXIT } from "@lockstep/events";
import { isLockstepError } from "@lockstep/plugin";
import { usage } from "../errors.ts";
import type { Flags, RunCommand } from "../program.ts";
import { runJob } from "../run-job.ts";

/** `lockstep recover [RUN]`: finish or put back what another process left. */
export const runRecover: RunCommand = async (invocation) => {
  const { word, flags } = invocation;
  const wish = wishOf(flags);
  try {
    return await runJob(invocation, "recover", (job) =>
      recover({ ...job, ...wish, ...(word === undefined ? {} : { run: word }) }),
    );
  } catch (error) {
    const isOver = isLockstepError(error) && error.code === "RUN_NOT_OPEN";
    if (flags.ifOpen === true && isOver) return EXIT.done;
    throw error;
  }
};

/** Several ways at once make no sense, and what leaves production mixed needs a reason. */
function wishOf(flags: Flags): Partial<RecoverJob> {
  const { target, forward, retry, accept, skip, reason } = flags;
  if (target !== undefined)
    throw usage("recover takes no --target: all targets of the run are put right.");
  const ways = [forward, retry ?? (skip === undefined ? undefined : true), accept];
  if (ways.filter((way) => way === true).length > 1)
    throw usage("--forward, --retry, --skip and --accept are different ways: take one.");
  if ((accept === true || skip !== undefined) && reason === undefined)
    throw usage("--accept and --skip need --reason: others will read it.");
  const back = accept === true ? "accept" : "back";
  return {
    how: forward === true ? "forward" : back,
    ...(skip === undefined ? {} : { skip }),
    ...(reason === undefined ? {} : { reason }),
  };
}
