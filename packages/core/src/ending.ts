import { type Diagnostic, EXIT_OF, isOpen, type Result, toDiagnostic } from "@lockstep/events";
import type { Json, Live } from "@lockstep/plugin";
import { differencesOf, quarantine } from "@lockstep/state";
import { liveUnknown } from "./errors.ts";
import { liveOf, observe, type Observed } from "./observe.ts";
import { type Run, skewOf } from "./run.ts";

/** What a command reports when a run has ended or was parked. */
export interface Outcome {
  /** Absent when no run began. */
  readonly run?: string;
  readonly environment: string;
  readonly release: string;
  readonly result: Result;
  readonly exit: number;
  /** What every unit serves, as it was read after the run. */
  readonly live: Readonly<Record<string, readonly Live[]>>;
  readonly diagnostics: readonly Diagnostic[];
  readonly skewMs?: number | undefined;
}

type Unchanged = Pick<Outcome, "result" | "exit">;

/** How a command ends that had nothing to do. */
export const UNCHANGED: Unchanged = { result: "unchanged", exit: EXIT_OF.unchanged };

/** How a run ends, and what was seen then. */
export interface Ending {
  readonly result: Result;
  readonly diagnostics: readonly Diagnostic[];
  readonly seen: Readonly<Record<string, Observed>>;
}

/** A release that was put back for one of these reasons may be as good as any. */
const NOBODYS_FAULT: readonly string[] = ["RUN_INTERRUPTED", "RUN_STOPPED"];

/** Writes down how the run ended, then gives the lease free; open where it must be recovered first. */
export async function close(run: Run, ending: Ending): Promise<Outcome> {
  const { result, diagnostics, seen } = ending;
  const open = isOpen(result);
  await keepFromReturning(run, ending);
  await run.journal.append(open ? "parked" : "run.end", {
    result,
    live: liveOf(seen),
    diagnostics,
    outputs: outputsOf(run),
    skewMs: skewOf(run),
  });
  await run.lease.release({ open });
  return told(run, ending);
}

/** Reports a run whose end cannot, or must not, be written down: it stays as it is, and its lease runs out. */
export function leave(run: Run, ending: Ending): Outcome {
  run.lease.abandon();
  return told(run, ending);
}

function told(run: Run, { result, diagnostics, seen }: Ending): Outcome {
  const exit = EXIT_OF[result];
  const skewMs = skewOf(run);
  run.session.events.emit({ type: "run.finished", result, exit, skewMs });
  const { environment, release } = run.plan;
  const { run: name } = run.journal;
  const live = liveOf(seen);
  return { run: name, environment, release: release.id, result, exit, live, diagnostics, skewMs };
}

/** A release that failed, or that was rolled back by hand, is not tried again under the same name. */
async function keepFromReturning(
  { session, plan, journal }: Run,
  { result, diagnostics }: Ending,
): Promise<void> {
  const { store, name: environment } = session.environment;
  const { kind, release, leaves } = plan;
  const mark = (id: string, what: string): Promise<void> =>
    quarantine(store, { environment, release: id, why: `run ${journal.run} ${what} it.` });
  const isItsFault = !diagnostics.some(({ code }) => NOBODYS_FAULT.includes(code));
  if (kind === "deploy" && result === "rolled-back" && isItsFault)
    await mark(release.id, "put back");
  if (kind === "rollback" && result === "done" && leaves !== undefined)
    await mark(leaves, "rolled back from");
}

/** What is live after a commit; a target that cannot be read is a warning, the release stays. */
export async function endOfCommit(run: Run): Promise<Ending> {
  const seen = await observe(run.session, run.liveBefore);
  const unreadable = differencesOf(run.liveBefore, seen).filter(({ found }) => found === undefined);
  const diagnostics = unreadable.map((unit) => toDiagnostic(liveUnknown(unit), "warning"));
  return { result: "done", diagnostics, seen };
}

function outputsOf({ plan }: Run): Record<string, Readonly<Record<string, Json>>> {
  const entries = Object.entries(plan.targets).map(
    ([name, { outputs }]) => [name, outputs ?? {}] as const,
  );
  return Object.fromEntries(entries);
}
