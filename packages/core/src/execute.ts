import {
  EXIT_OF,
  isFenced,
  isInconclusive,
  isStoreLost,
  leavesOf,
  toDiagnostic,
} from "@lockstep/events";
import { close, endOfCommit, type Ending, type Outcome } from "./ending.ts";
import { runStopped, together } from "./errors.ts";
import { liveOf, observe } from "./observe.ts";
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
 * The lease is held and `run.begin` is durable before; whatever happens, what production is like is
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
    if (isFenced(error)) return close(run, await asSeen(run, "fenced", error));
    if (isStoreLost(error)) return leftOpen(run, await asSeen(run, "parked", error));
    throw error;
  }
}

/**
 * Makes every target refuse older runs; all are tried.
 *
 * @returns The failures of those that could not be fenced.
 * @throws {LockstepError} when a target already belongs to a newer run
 */
export async function fenceAll(run: Run): Promise<readonly unknown[]> {
  const results = await Promise.allSettled(
    [...run.session.targets.values()].map(({ name, target }) =>
      call(
        run.session,
        {
          target: name,
          run: run.journal.run,
          release: run.plan.release,
          stamp: run.stamp,
          signal: run.lease.lost,
        },
        async (ctx) => target.fence?.(run.stamp, ctx),
      ),
    ),
  );
  const failures = results.flatMap((result) =>
    result.status === "rejected" ? leavesOf(result.reason) : [],
  );
  const overtaken = failures.filter(isFenced);
  if (overtaken.length > 0) throw together(overtaken, "Several targets belong to a newer run.");
  return failures;
}

async function decide(run: Run, verdict: "commit" | "abort", reason: string): Promise<void> {
  await run.journal.append("decision", { verdict, reason });
  run.session.events.emit({ type: "decision", verdict, reason });
}

async function endBadly(run: Run, failed: unknown, onStop: OnStop): Promise<Outcome> {
  // What broke after somebody said stop, broke because of it.
  const error =
    run.stop.aborted && !isFenced(failed) && !isStoreLost(failed) ? runStopped() : failed;
  const failure = leavesOf(error);
  if (failure.some(isFenced)) return close(run, await asSeen(run, "fenced", error));
  if (failure.some(isStoreLost)) return withoutStore(run, error);
  try {
    if (hasActivated(run) && failure.every(isInconclusive)) {
      return await close(run, await asSeen(run, "inconclusive", error));
    }
    if (hasActivated(run) && run.stop.aborted && onStop === "park") {
      return await close(run, await asSeen(run, "parked", error));
    }
    return await abort(run, error);
  } catch (second) {
    if (isFenced(second)) return close(run, await asSeen(run, "fenced", second));
    if (isStoreLost(second)) return withoutStore(run, second);
    throw second;
  }
}

/** Decides to abort, puts everything back, and reports what the targets say then. */
export async function abort(run: Run, cause: unknown): Promise<Outcome> {
  const causes = leavesOf(cause).map((leaf) => toDiagnostic(leaf));
  for (const diagnostic of causes) run.session.events.emit({ type: "diagnostic", ...diagnostic });
  await decide(run, "abort", causes[0]?.message ?? "unknown");
  return close(run, await putBack(run, causes));
}

/** The part of an abort after its decision; a recover enters here when the decision is already durable. */
export async function putBack(run: Run, causes: Ending["diagnostics"]): Promise<Ending> {
  const fresh = new AbortController(); // a stopped run must still clean up
  const { clean, problems, seen } = await revertAll(run, { signal: fresh.signal, records: true });
  const harmless = run.stop.aborted ? "interrupted" : "failed";
  const good = hasActivated(run) ? "rolled-back" : harmless;
  return { result: clean ? good : "needs-human", diagnostics: [...causes, ...problems], seen };
}

/**
 * The store cannot be reached. Nothing durable says commit, so the answer is abort; putting back needs no
 * records, but must end well before anybody else may take the lease.
 */
async function withoutStore(run: Run, cause: unknown): Promise<Outcome> {
  const { surroundings, events } = run.session;
  const timeUp = new AbortController();
  const done = new AbortController();
  surroundings.sleep(Math.max(0, run.lease.remainingMs() / 2), done.signal).then(
    () => timeUp.abort(cause),
    () => undefined,
  );
  const causes = leavesOf(cause).map((leaf) => toDiagnostic(leaf));
  for (const diagnostic of causes) events.emit({ type: "diagnostic", ...diagnostic });
  const restored = await revertAll(run, { signal: timeUp.signal, records: false }).catch(
    () => undefined,
  );
  done.abort();
  const seen = restored?.seen ?? (await observe(run.session, run.liveBefore));
  return leftOpen(run, {
    result: "parked",
    diagnostics: [...causes, ...(restored?.problems ?? [])],
    seen,
  });
}

/** Reports a run whose end cannot be written down: it stays open, and its lease runs out. */
function leftOpen(run: Run, { result, diagnostics, seen }: Ending): Outcome {
  run.lease.abandon();
  const exit = EXIT_OF[result];
  run.session.events.emit({ type: "run.finished", result, exit });
  const { environment, release } = run.plan;
  const { run: name } = run.journal;
  return {
    run: name,
    environment,
    release: release.id,
    result,
    exit,
    live: liveOf(seen),
    diagnostics,
  };
}

async function asSeen(run: Run, result: Ending["result"], error: unknown): Promise<Ending> {
  const diagnostics = leavesOf(error).map((leaf) => toDiagnostic(leaf));
  for (const diagnostic of diagnostics)
    run.session.events.emit({ type: "diagnostic", ...diagnostic });
  return { result, diagnostics, seen: await observe(run.session, run.liveBefore) };
}
