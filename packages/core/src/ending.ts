import { type Diagnostic, EXIT_OF, type Result } from "@lockstep/events";
import type { Json, Live } from "@lockstep/plugin";
import { differencesOf, liveOf, observe, type Observed } from "./observe.ts";
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
  readonly skewMs?: number;
}

/** Whether the run is over or must be recovered. */
export interface Ending {
  readonly result: Result;
  readonly diagnostics: readonly Diagnostic[];
  readonly seen: Readonly<Record<string, Observed>>;
}

const OPEN: readonly Result[] = ["needs-human", "parked", "inconclusive"];

/** Writes down how the run ended, then gives the lease free; open where it must be recovered first. */
export async function close(run: Run, { result, diagnostics, seen }: Ending): Promise<Outcome> {
  const live = liveOf(seen);
  const skewMs = skewOf(run);
  const isOpen = OPEN.includes(result);
  if (result === "fenced") run.lease.abandon();
  else {
    await run.journal.append(isOpen ? "parked" : "run.end", {
      result,
      live: live as unknown as Json,
      diagnostics: diagnostics as unknown as Json,
      outputs: outputsOf(run),
      ...(skewMs === undefined ? {} : { skewMs }),
    });
    await run.lease.release({ open: isOpen });
  }
  const exit = EXIT_OF[result];
  run.session.events.emit({
    type: "run.finished",
    result,
    exit,
    ...(skewMs === undefined ? {} : { skewMs }),
  });
  return {
    run: run.journal.run,
    environment: run.plan.environment,
    release: run.plan.release.id,
    result,
    exit,
    live,
    diagnostics,
    ...(skewMs === undefined ? {} : { skewMs }),
  };
}

/** What is live after a commit; a target that cannot be read is a warning, the release stays. */
export async function endOfCommit(run: Run): Promise<Ending> {
  const seen = await observe(run.session, run.liveBefore);
  const unreadable = differencesOf(run.liveBefore, seen).filter(({ found }) => found === undefined);
  const diagnostics = unreadable.map(({ target, unit }): Diagnostic => ({
    severity: "warning",
    code: "LIVE_UNKNOWN",
    message: "It could not be read after the commit.",
    hint: "The release was verified before; look at `lockstep status` later.",
    target,
    ...(unit === undefined ? {} : { unit }),
  }));
  return { result: "done", diagnostics, seen };
}

function outputsOf({ plan }: Run): Json {
  const entries = Object.entries(plan.targets).map(
    ([name, { outputs }]) => [name, outputs ?? {}] as const,
  );
  return Object.fromEntries(entries);
}
