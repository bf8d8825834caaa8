import { EXIT, isEmpty, planDeploy, planDigest } from "@lockstep/core";
import { folderOf, open } from "../open.ts";
import type { RunCommand } from "../program.ts";
import { newRelease } from "../release.ts";
import { renderPlan } from "../render/plan.ts";
import { createStyle } from "../render/style.ts";

/** `lockstep plan`: show what a deploy would do. */
export const runPlan: RunCommand = async (invocation) => {
  const { shell, flags } = invocation;
  const { job } = await open(invocation);
  const release = await newRelease(folderOf(invocation), new Date());
  const plan = await planDeploy({ ...job, release });
  // The answer has the same bytes on a terminal and in a pipe: no colors.
  const plain = createStyle({ env: {}, isLive: false });
  if (flags.output === "text") shell.out(renderPlan(plan, plain, flags.verbose));
  else shell.out(`${JSON.stringify({ digest: planDigest(plan), plan })}\n`);
  return flags.detailedExitCode === true && !isEmpty(plan) ? EXIT.changesPending : EXIT.done;
};
