import { environmentOf } from "@lockstep/config";
import { type Outcome, recover, type RunJob } from "@lockstep/core";
import { confirmation } from "./confirm.ts";
import { eventsFile, open } from "./open.ts";
import type { Flags, Invocation } from "./program.ts";
import { renderDiagnosticLine } from "./render/error.ts";
import { documentText, outcomeJson } from "./render/json.ts";
import { commonRelease } from "./render/live.ts";
import { createLook, type Look } from "./render/look.ts";
import { renderOutcome, type Verb } from "./render/outcome.ts";
import { quoted } from "./render/text.ts";
import { createTeller, type Teller } from "./teller.ts";

/** Runs a command that changes targets: tells it while it happens, reports how it ended; its exit code. */
export async function runJob(
  invocation: Invocation,
  verb: Verb,
  body: (job: RunJob) => Promise<Outcome>,
): Promise<number> {
  const { shell, flags } = invocation;
  using file = eventsFile(invocation);
  const opened = await open(invocation);
  const { isCI } = opened;
  const look = createLook(shell);
  const confirm = confirmation(invocation, opened, look);
  const showsPlan = confirm !== undefined && verb !== "recover";
  using teller = await createTeller(shell, { flags, look, isCI, showsPlan });
  shell.stop.addEventListener("abort", () =>
    teller.say("Stopping safely; a second signal leaves at once."),
  );
  const job: RunJob = {
    ...opened.job,
    ...wishesOf(flags),
    sinks: [teller.sink, ...file.sinks],
    stop: shell.stop,
    onStop: isCI ? "park" : "roll-back",
    ...(confirm === undefined ? {} : { confirm }),
  };
  const outcome = (await recoveredFirst(job, flags)) ?? (await body(job));
  teller[Symbol.dispose]();
  const ended =
    outcome.result === "interrupted" && outcome.exit !== 0
      ? { ...outcome, exit: shell.stopExit() }
      : outcome;
  const { targets } = environmentOf(job);
  const hasAudit = Object.values(targets).some(({ audit }) => audit !== undefined);
  report(ended, { invocation, verb, teller, look, hasAudit });
  return ended.exit;
}

/** With `--recover`: how an open run ended, when it did not end well; then nothing else is begun. */
async function recoveredFirst(job: RunJob, flags: Flags): Promise<Outcome | undefined> {
  if (flags.recover !== true) return undefined;
  const { targets: _, ...all } = job; // a run is recovered on all its targets
  const outcome = await recover(all);
  return outcome.exit === 0 ? undefined : outcome;
}

interface Reported {
  readonly invocation: Invocation;
  readonly verb: Verb;
  readonly teller: Teller;
  readonly look: Look;
  readonly hasAudit: boolean;
}

function report(outcome: Outcome, { invocation, verb, teller, look, hasAudit }: Reported): void {
  const { shell, flags } = invocation;
  if (flags.output !== "text") {
    shell.out(documentText(outcomeJson(outcome), flags.output));
    for (const diagnostic of outcome.diagnostics)
      shell.err(`${renderDiagnosticLine(diagnostic)}\n`);
    return;
  }
  const command = (words: readonly string[]): string => commandText(words, flags);
  const only = flags.target;
  shell.err(renderOutcome(outcome, { verb, state: teller.state, look, only, command, hasAudit }));
  const release = liveRelease(outcome);
  if (outcome.exit === 0 && release !== undefined) shell.out(`${release}\n`);
}

/** The answer of a command that went well. Where nothing was done each unit may serve a release of its own. */
function liveRelease({ result, release, live }: Outcome): string | undefined {
  return result === "done" ? release : commonRelease(live);
}

function wishesOf({ lockWait, adopt, message, allowOlder }: Flags): Partial<RunJob> {
  return {
    ...(allowOlder === undefined ? {} : { allowOlder }),
    ...(lockWait === undefined ? {} : { lockWaitMs: lockWait }),
    ...(adopt === undefined ? {} : { adopt }),
    ...(message === undefined ? {} : { message }),
  };
}

/** A command that can be pasted, with the flags that say where. */
function commandText(words: readonly string[], { env = "", config }: Flags): string {
  const where = config === undefined ? [] : ["-c", config];
  return ["lockstep", ...words, "-e", env, ...where].map(quoted).join(" ");
}
