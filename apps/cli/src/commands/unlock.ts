import { EXIT } from "@lockstep/events";
import { unlock } from "@lockstep/state";
import { usage } from "../errors.ts";
import { open } from "../open.ts";
import type { RunCommand } from "../program.ts";
import { safeText } from "../render/text.ts";

/** `lockstep unlock`: take the lease away from a holder that is gone and cannot be proven gone. */
export const runUnlock: RunCommand = async (invocation) => {
  const { shell, flags } = invocation;
  const { reason } = flags;
  if (reason === undefined) throw usage("unlock needs --reason: others will read it.");
  const { environment, job } = await open(invocation);
  const { name, store } = environment;
  const { surroundings } = job;
  const taken = await unlock({ store, environment: name, surroundings, reason });
  const run = taken?.holder.run ?? null;
  if (flags.output !== "text")
    shell.out(`${JSON.stringify({ run, epoch: taken?.epoch ?? null })}\n`);
  else if (taken === undefined) shell.out(`${safeText(`Nobody holds ${name}.`)}\n`);
  else {
    shell.out(`${safeText(`The lease of ${name} was taken from run ${taken.holder.run}.`)}\n`);
    shell.err(`${safeText(`That run is open: lockstep recover -e ${name}`)}\n`);
  }
  return EXIT.done;
};
