import type { Plan } from "@lockstep/core";
import type { Opened } from "./open.ts";
import type { Invocation } from "./program.ts";
import { renderPlan } from "./render/plan.ts";
import { createStyle } from "./render/style.ts";

type Confirm = (plan: Plan) => Promise<boolean>;

/**
 * How a plan gets its yes: `-y` for an open environment, `--confirm NAME` for a protected one, or an answer
 * on a terminal. Where nobody can answer the answer is no.
 *
 * @returns undefined when the yes was given beforehand.
 */
export function confirmation(
  { shell, flags }: Invocation,
  { environment, isCI }: Opened,
): Confirm | undefined {
  const named = flags.confirm === environment.name;
  if (environment.protected ? named : flags.yes === true || named) return undefined;
  return async (plan) => {
    const style = createStyle(shell);
    shell.err(`${renderPlan(plan, style, flags.verbose)}\n`);
    if (!shell.canAsk || isCI || !flags.input || flags.output !== "text") return false;
    const wanted = environment.protected ? environment.name : "yes";
    const question = environment.protected
      ? `${environment.name} is protected. Type its name to go on: `
      : `Go on? Type yes: `;
    return (await shell.ask(question)).trim() === wanted;
  };
}
