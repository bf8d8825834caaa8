import {
  type Diagnostic,
  isFenced,
  isInconclusive,
  isStoreLost,
  leavesOf,
  located,
  toDiagnostic,
  together,
} from "@lockstep/events";
import { close, endOfCommit, type Ending, leave, type Outcome } from "./ending.ts";
import { runStopped } from "./errors.ts";
import { observe } from "./observe.ts";
import { activate, barrier, retire, stage, verify } from "./phases.ts";
import { revertAll } from "./revert.ts";
import { hasActivated, type Run } from "./run.ts";
import { call } from "./session.ts";
import { startWatching } from "./watch.ts";

/** What to do when the user stops a run whose pointers have begun to move. */
export type OnStop = "roll-back" | "park";

/**
 * Runs a plan to its end: fence, stage, barrier, activate, verify, then commit, or put everything back.
 *
 * A run that is taken up again does over what it had begun: every step may be applied twice. The lease is held and `run.begin` is durable before; whatever happens, what production is like is
 * observed, written down and returned.
 */
export async function execute(run: Run, onStop: OnStop): Promise<Outcome> {
  const watching = startWatching(run);
  try {
    const unfenced = await fenceAll(run);
    if (unfenced.length > 0) throw together(unfenced, "Several targets could not be fenced.");
    await stage(run);
    await barrier(run);
    watching.begin();
    await activate(run);
    await verify(run);
    await run.journal.mustBeThere();
  } catch (error) {
    await watching.end();
    return endBadly(run, error, onStop);
  }
  await watching.end();
  return commit(run, () => decide(run, "commit", "every check passed"));
}

/**
 * From here on nothing is put back any more: what is old goes, and the run ends.
 *
 * A store that fails now may have kept the decision although its reply was lost: the run is left open as it
 * is, and a recover reads what was decided.
 */
export async function commit(run: Run, decideFirst?: () => Promise<void>): Promise<Outcome> {
  try {
    await decideFirst?.();
    await retire(run);
    return await close(run, await endOfCommit(run));
  } catch (error) {
    if (!isFenced(error) && !isStoreLost(error)) throw error;
    return leave(run, await asSeen(run, isFenced(error) ? "fenced" : "parked", error));
  }
}

/**
 * Makes every target refuse older runs; all are tried.
 *
 * @returns The failures of those that could not be fenced.
 * @throws {LockstepError} when a target already belongs to a newer run
 */
export async function fenceAll(run: Run): Promise<readonly unknown[]> {
  const { session, journal, plan, stamp, lease } = run;
  const scope = { run: journal.run, release: plan.release, stamp, signal: lease.lost };
  const results = await Promise.allSettled(
    [...session.targets.values()].map(({ name, target }) =>
      call(session, { ...scope, target: name }, async (ctx) => target.fence?.(stamp, ctx)),
    ),
  );
  const failures = results.flatMap((result) =>
    result.status === "rejected" ? leavesOf(result.reason) : [],
  );
  const overtaken = failures.filter(isFenced);
  if (overtaken.length > 0) throw together(overtaken, "Several targets belong to a newer run.");
  return failures;
}

/** The one decision of a run; durable when it resolves. */
export async function decide(run: Run, verdict: "commit" | "abort", reason: string): Promise<void> {
  await run.journal.append("decision", { verdict, reason });
  run.session.events.emit({ type: "decision", verdict, reason });
}

async function endBadly(run: Run, failed: unknown, onStop: OnStop): Promise<Outcome> {
  if (isFenced(failed) || isStoreLost(failed)) return leaveBadly(run, failed);
  // What broke after somebody said stop, broke because of it.
  const error = run.stop.aborted ? runStopped() : failed;
  try {
    if (hasActivated(run) && leavesOf(error).every(isInconclusive)) {
      return await close(run, await asSeen(run, "inconclusive", error));
    }
    if (hasActivated(run) && run.stop.aborted && onStop === "park") {
      return await close(run, await asSeen(run, "parked", error));
    }
    if (hasActivated(run)) await raiseEpoch(run);
    return await abort(run, error);
  } catch (second) {
    return leaveBadly(run, second);
  }
}

/** What this run has sent and given up may still arrive: then it carries an older stamp, and is refused. */
async function raiseEpoch(run: Run): Promise<void> {
  await run.lease.raise();
  const { who } = run.session.surroundings;
  await run.journal.append("epoch.begin", { epoch: run.lease.epoch, who });
  await fenceAll(run); // a unit that cannot be reached shows again when it is to be put back
}

/** Overtaken, a run touches nothing any more; without its store it puts back what it can and writes nothing. */
async function leaveBadly(run: Run, error: unknown): Promise<Outcome> {
  if (isFenced(error)) return leave(run, await asSeen(run, "fenced", error));
  if (isStoreLost(error)) return withoutStore(run, error);
  throw error;
}

/** Decides to abort, puts everything back, and reports what the targets say then. */
export async function abort(
  run: Run,
  cause: unknown,
  skip: readonly string[] = [],
): Promise<Outcome> {
  const causes = tell(run, cause);
  await decide(run, "abort", causes[0]?.message ?? "unknown");
  return close(run, await putBack(run, { causes, skip }));
}

/** Why everything is put back, and the units that are to be left as they are. */
interface PutBack {
  readonly causes: readonly Diagnostic[];
  readonly skip: readonly string[];
}

/** The part of an abort after its decision; a recover enters here when the decision is already durable. */
export async function putBack(run: Run, { causes, skip }: PutBack): Promise<Ending> {
  const { signal } = new AbortController(); // a stopped run must still clean up
  const { problems, seen } = await revertAll(run, { signal, skip, records: true });
  const isClean = problems.every(({ severity }) => severity === "warning");
  const harmless = run.stop.aborted ? "interrupted" : "failed";
  const good = hasActivated(run) ? "rolled-back" : harmless;
  return { result: isClean ? good : "needs-human", diagnostics: [...causes, ...problems], seen };
}

/**
 * The store cannot be reached. Nothing durable says commit, so the answer is abort; putting back needs no
 * records, but must end well before anybody else may take the lease.
 */
async function withoutStore(run: Run, cause: unknown): Promise<Outcome> {
  const timeUp = new AbortController();
  const done = new AbortController();
  run.session.surroundings.sleep(Math.max(0, run.lease.remainingMs() / 2), done.signal).then(
    () => timeUp.abort(cause),
    () => undefined,
  );
  const causes = tell(run, cause);
  const options = { signal: timeUp.signal, skip: [], records: false };
  const restored = await revertAll(run, options).catch(() => undefined);
  done.abort();
  const seen = restored?.seen ?? (await observe(run.session, run.liveBefore));
  const diagnostics = [...causes, ...(restored?.problems ?? [])];
  return leave(run, { result: "parked", diagnostics, seen });
}

/** How a run ends without being put right: as it is seen now, with what went wrong. */
async function asSeen(run: Run, result: Ending["result"], error: unknown): Promise<Ending> {
  return {
    result,
    diagnostics: tell(run, error),
    seen: await observe(run.session, run.liveBefore),
  };
}

function tell(run: Run, error: unknown): readonly Diagnostic[] {
  const { redactor } = run.session; // an error of the store has not been through the redactor
  const diagnostics = leavesOf(error).map((leaf) => toDiagnostic(located(leaf, {}, redactor)));
  for (const diagnostic of diagnostics)
    run.session.events.emit({ type: "diagnostic", ...diagnostic });
  return diagnostics;
}
