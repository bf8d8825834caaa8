import type { Plan } from "@lockstep/core";
import type { Opened } from "./open.ts";
import type { Invocation } from "./program.ts";
import type { Look } from "./render/look.ts";
import { renderPlan } from "./render/plan.ts";

/**
 * How a plan gets its yes: `-y` for an open environment, `--confirm NAME` for a protected one, or an answer
 * on a terminal. Where nobody can answer the answer is no.
 *
 * @returns undefined when the yes was given beforehand.
 */
export function confirmation(
  { shell, flags }: Invocation,
  { environment, isCI }: Opened,
  look: Look,
): ((plan: Plan) => Promise<boolean>) | undefined {
  const { name, targets } = environment;
  const named = flags.confirm === name;
  if (environment.protected ? named : flags.yes === true || named) return undefined;
  return async (plan) => {
    if (flags.output !== "text") return false;
    shell.err(`${renderPlan(plan, { targets, look, everything: flags.verbose })}\n`);
    if (!shell.canAsk || isCI || !flags.input) return false;
    const what = plan.kind === "deploy" ? `Deploy to ${name}?` : `Roll back ${name}?`;
    const wanted = environment.protected ? name : "yes";
    return (await shell.ask(`${what} Type ${wanted}: `)).trim() === wanted;
  };
}
