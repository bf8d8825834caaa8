import { isEmpty, planDeploy, planDigest } from "@lockstep/core";
import { EXIT } from "@lockstep/events";
import { eventsFile, folderOf, open } from "../open.ts";
import type { RunCommand } from "../program.ts";
import { newRelease } from "../release.ts";
import { PLAIN } from "../render/look.ts";
import { renderPlan } from "../render/plan.ts";

/** `lockstep plan`: show what a deploy would do. */
export const runPlan: RunCommand = async (invocation) => {
  const { shell, flags } = invocation;
  using file = eventsFile(invocation);
  const { job, environment } = await open(invocation, file.sinks);
  const release = await newRelease(folderOf(invocation), new Date());
  const plan = await planDeploy({ ...job, release });
  const { targets } = environment;
  if (flags.output === "text")
    shell.out(renderPlan(plan, { targets, look: PLAIN, everything: flags.verbose }));
  else shell.out(`${JSON.stringify({ digest: planDigest(plan), plan })}\n`);
  return flags.detailedExitCode === true && !isEmpty(plan) ? EXIT.changesPending : EXIT.done;
};
