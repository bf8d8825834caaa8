import type { Outcome, RunJob } from "@lockstep/core";
import { confirmation } from "./confirm.ts";
import { eventsFile, open } from "./open.ts";
import type { Invocation } from "./program.ts";
import { outcomeJson, renderOutcome } from "./render/outcome.ts";
import { createStyle } from "./render/style.ts";
import { createTeller, type Teller } from "./teller.ts";

/** Runs a command that changes targets: tells it while it happens, reports how it ended; its exit code. */
export async function runJob(
  invocation: Invocation,
  body: (job: RunJob) => Promise<Outcome>,
): Promise<number> {
  const { shell, flags } = invocation;
  const file = eventsFile(shell, flags);
  let teller: Teller | undefined;
  try {
    const opened = await open(invocation);
    teller = await createTeller(shell, flags, opened.isCI);
    const confirm = confirmation(invocation, opened);
    const outcome = await body({
      ...opened.job,
      sinks: [teller.sink, ...file.sinks],
      stop: shell.stop,
      onStop: opened.isCI ? "park" : "roll-back",
      ...(flags.lockWait === undefined ? {} : { lockWaitMs: flags.lockWait }),
      ...(flags.adopt === undefined ? {} : { adopt: flags.adopt }),
      ...(flags.message === undefined ? {} : { message: flags.message }),
      ...(confirm === undefined ? {} : { confirm }),
    });
    teller.end();
    report(invocation, outcome, teller);
    return outcome.exit;
  } finally {
    teller?.end();
    file.close();
  }
}

function report({ shell, flags }: Invocation, outcome: Outcome, { events }: Teller): void {
  if (flags.output === "json") return shell.out(`${JSON.stringify(outcomeJson(outcome))}\n`);
  if (flags.output === "ndjson") {
    return shell.out(`${JSON.stringify({ type: "result", ...outcomeJson(outcome) })}\n`);
  }
  shell.err(renderOutcome(outcome, events, createStyle(shell)));
  if (outcome.result === "done") shell.out(`${outcome.release}\n`);
  return undefined;
}
