import { isEmpty, type Plan, planDeploy, planDigest } from "@lockstep/core";
import { EXIT } from "@lockstep/events";
import { eventsFile, open } from "../open.ts";
import { writeOwnFile } from "../own-file.ts";
import type { RunCommand } from "../program.ts";
import { releaseOf } from "../release.ts";
import { PLAIN } from "../render/look.ts";
import { renderPlan } from "../render/plan.ts";

/** `lockstep plan`: show what a deploy would do. */
export const runPlan: RunCommand = async (invocation) => {
  const { shell, flags } = invocation;
  using file = eventsFile(invocation);
  const { job, environment } = await open(invocation, file.sinks);
  const plan = await planDeploy({ ...job, ...(await releaseOf(invocation, job.config)) });
  const { targets } = environment;
  if (flags.save !== undefined) writeOwnFile(shell, flags.save, documentOf(plan));
  if (flags.output === "text")
    shell.out(renderPlan(plan, { targets, look: PLAIN, everything: flags.verbose }));
  else shell.out(documentOf(plan));
  return flags.detailedExitCode === true && !isEmpty(plan) ? EXIT.changesPending : EXIT.done;
};

function documentOf(plan: Plan): string {
  return `${JSON.stringify({ digest: planDigest(plan), plan })}\n`;
}
