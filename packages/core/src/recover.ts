import { environmentOf } from "@lockstep/config";
import { EXIT, isOpen, toDiagnostic } from "@lockstep/events";
import { isLockstepError } from "@lockstep/plugin";
import {
  closeUnread,
  getBlob,
  type Journal,
  type Lease,
  lineageOf,
  type LiveByTarget,
  missingUnit,
  openJournal,
  raiseAbove,
  readLease,
  recordsOf,
  takeLease,
} from "@lockstep/state";
import { close, type Outcome, UNCHANGED } from "./ending.ts";
import {
  pluginChanged,
  recoverDiffers,
  recoverRefused,
  runInterrupted,
  runNotOpen,
  targetGone,
  unitUnknown,
} from "./errors.ts";
import { abort, commit, decide, execute, fenceAll, type OnStop, putBack } from "./execute.ts";
import { isUnfenced, type Job, sessionOf } from "./job.ts";
import { roleOf } from "./make-plan.ts";
import { liveOf, observe } from "./observe.ts";
import type { Plan } from "./plan.ts";
import { type Run, startRun } from "./run.ts";
import { batchesOf, fullId, type Scheduled, stepsOf } from "./schedule.ts";
import type { Session } from "./session.ts";

/** A job that finishes or undoes what another process left. */
export interface RecoverJob extends Job {
  /** Name of the run; default the open one. */
  readonly run?: string;
  readonly stop: AbortSignal;
  /** Milliseconds to wait for a process that still holds the run; default 0. */
  readonly lockWaitMs?: number;
  /**
   * `back`, the default, undoes what is not committed; `forward` goes on where the run was; `accept` takes
   * what is live for good.
   */
  readonly how?: "back" | "forward" | "accept";
  /** What becomes of a run that goes on and is stopped again; default `park`. */
  readonly onStop?: OnStop;
  /** Units, as `target` or `target/unit`, that are left as they are. */
  readonly skip?: readonly string[];
  /** Why, for `accept` and `skip`; kept in the journal. */
  readonly reason?: string;
}

/**
 * Finishes or undoes the open run of an environment, from its journal and from what the targets say.
 *
 * What was committed is finished, everything else is put back, unless the job says otherwise. Exit 0 when
 * the run is closed, or when there was none to recover; 32 when a human is needed, and then it stays open.
 *
 * @throws {LockstepError} before any write to a target: `LEASE_HELD`, `RUN_NOT_OPEN`, `TARGET_GONE`,
 *   `RECOVER_DIFFERS`, `PLUGIN_CHANGED`, `RECOVER_REFUSED`, `UNIT_UNKNOWN`
 */
export async function recover(job: RecoverJob): Promise<Outcome> {
  const { store, name, targets } = environmentOf(job);
  const found = await readLease(store, name);
  const run = found?.body.holder.run ?? "";
  if (job.run !== undefined && job.run !== run) throw runNotOpen(job.run, run);
  if (found?.body.open !== true) return nothingOpen(name);

  const journal = await openJournal(store, run).catch(unreadable);
  if (journal instanceof Error) return recoverUnread(job, run, journal);
  const begin = recordsOf(journal.records, "run.begin")[0]?.body;
  const gone = begin?.targets.find((target) => targets[target] === undefined);
  if (gone !== undefined) throw targetGone(gone, run);
  await using session = await sessionOf(job, begin?.targets ?? []);
  const seen = await observe(session, begin?.live);
  const missing = missingUnit(begin?.live ?? {}, seen);
  if (missing !== undefined) throw recoverDiffers(...missing, "it has no such unit");
  return await underLease(session, { job, live: liveOf(seen) }, async (lease) => {
    // Somebody may have closed the run before the lease was ours.
    const own = lease.run === run ? journal : await openJournal(store, lease.run);
    own.writeAs(lease);
    return recoverUnder(session, { lease, journal: own }, job);
  });
}

async function underLease(
  session: Session,
  { job, live }: { readonly job: RecoverJob; readonly live: LiveByTarget },
  body: (lease: Lease) => Promise<Outcome>,
): Promise<Outcome> {
  const { store, name: environment } = session.environment;
  const { surroundings, stop: signal, lockWaitMs: waitMs = 0 } = job;
  const how = { patient: isUnfenced(session), signal, waitMs, recover: true };
  const lease = await takeLease({ store, environment, surroundings, ...how });
  try {
    await raiseAbove(lease, live);
    return asRecovered(await body(lease));
  } catch (error) {
    await lease.release({ open: true }).catch(() => undefined);
    throw error;
  } finally {
    lease.abandon();
  }
}

/** Without its journal nobody knows what a run did: what the targets say is all there is. */
async function recoverUnread(job: RecoverJob, run: string, error: Error): Promise<Outcome> {
  await using session = await sessionOf(job);
  const { store, name: environment } = session.environment;
  const live = liveOf(await observe(session));
  const diagnostics = [toDiagnostic(error)];
  const seen = { run, environment, release: "", live, diagnostics };
  if (job.how !== "accept") return { ...seen, result: "needs-human", exit: EXIT.human };
  return await underLease(session, { job, live }, async (lease) => {
    const body = { result: "accepted", live, outputs: {}, diagnostics } as const;
    await closeUnread(store, run, { writer: lease, body });
    await lease.release({ open: false });
    return { ...seen, result: "accepted", exit: EXIT.done };
  });
}

async function recoverUnder(
  session: Session,
  { lease, journal }: { readonly lease: Lease; readonly journal: Journal },
  job: RecoverJob,
): Promise<Outcome> {
  const { store, name } = session.environment;
  const { surroundings } = session;
  // Only after this record is in its slot can no other process add a fact that the fold would miss.
  await journal.appendFirst("epoch.begin", { epoch: lease.epoch, who: surroundings.who });

  const begin = recordsOf(journal.records, "run.begin")[0]?.body;
  if (begin === undefined || recordsOf(journal.records, "run.end").length > 0) {
    await lease.release({ open: false });
    const release = begin?.release.id ?? "";
    return { ...nothingOpen(name), run: lease.run, release };
  }
  const plan = (await getBlob(store, begin.plan)) as unknown as Plan;
  refuseDifferences(session, plan);
  const lineage = await lineageOf(store, surroundings);
  const { stop } = job;
  const run = startRun({ session, plan, journal, lease, lineage, liveBefore: begin.live, stop });
  replay(run);
  return finish(run, job);
}

/** What is decided stays decided; what is not, is presumed aborted unless somebody says otherwise. */
async function finish(run: Run, job: RecoverJob): Promise<Outcome> {
  const { how = "back", skip = [], reason = "" } = job;
  const { records } = run.journal;
  const verdict = recordsOf(records, "decision")[0]?.body.verdict;
  const failed = recordsOf(records, "checked").find(({ body }) => body.status === "fail");
  const word = { who: job.surroundings.who, reason };
  refuseUnknownUnits(run, skip);
  if (how === "forward" && verdict !== "commit") {
    if (verdict === "abort") throw recoverRefused("go on: it was decided to put everything back");
    if (failed !== undefined) throw recoverRefused(`go on: the check ${failed.body.id} failed`);
    return execute(run, job.onStop ?? "park");
  }
  if (how === "accept" && verdict === undefined && !isUndecided(run))
    throw recoverRefused("accept: not every target serves the new release");
  await fenceAll(run); // an unreachable unit shows again, by name, when it is to be put back
  if (verdict === "commit") return commit(run);
  if (how === "accept") {
    await run.journal.append("accepted", word);
    if (verdict === undefined) return commit(run, () => decide(run, "commit", reason));
    const seen = await observe(run.session, run.liveBefore);
    return close(run, { result: "accepted", diagnostics: [], seen });
  }
  if (skip.length > 0) await run.journal.append("skipped", { ...word, units: skip });
  if (verdict === "abort") return close(run, await putBack(run, { causes: [], skip }));
  return abort(run, runInterrupted(run.journal.run), skip);
}

/** True when everything was activated and only a check could not be measured. */
function isUndecided({ journal, outputs }: Run): boolean {
  const last = recordsOf(journal.records, "parked").at(-1)?.body.result;
  const [barrier] = recordsOf(journal.records, "barrier");
  return (
    last === "inconclusive" && barrier?.body.befores.every(({ id }) => outputs.has(id)) === true
  );
}

/** Names that `skip` may hold are those of the run: a misspelt one would leave the wrong unit as it is. */
function refuseUnknownUnits({ liveBefore }: Run, skip: readonly string[]): void {
  const names = Object.entries(liveBefore).flatMap(([target, units]) => [
    target,
    ...units.flatMap(({ unit }) => (unit === undefined ? [] : [`${target}/${unit}`])),
  ]);
  const unknown = skip.find((name) => !names.includes(name));
  if (unknown !== undefined) throw unitUnknown(unknown, names);
}

/** Checks that what was journaled can be undone by what is installed and configured, before any write. */
function refuseDifferences(session: Session, plan: Plan): void {
  for (const [name, planned] of Object.entries(plan.targets)) {
    const connected = session.targets.get(name);
    if (connected === undefined) throw targetGone(name, "this run");
    const { target } = connected;
    const { plugin, version } = target["~lockstep"];
    if (plugin !== planned.plugin) throw pluginChanged(name, planned, { plugin, version });
    const unknown = planned.steps.find(({ kind }) => roleOf(connected, kind) === undefined);
    if (unknown !== undefined)
      throw pluginChanged(name, planned, { plugin, version, kind: unknown.kind });
    const [wanted, found] = [planned.places.join(" "), target.places.join(" ")];
    if (wanted !== found) throw recoverDiffers(name, wanted, found);
  }
}

/** Gives the run what the process that was killed knew, from its records. */
function replay(run: Run): void {
  const scheduled = scheduledById(run.plan);
  for (const { type, body } of run.journal.records) {
    if (type === "barrier")
      for (const { id, before } of body.befores) run.befores.set(id, before ?? null);
    if (type === "applied") run.outputs.set(body.id, body.output);
    if (type === "checkpoint") run.checkpoints.set(body.id, body.value);
    for (const { id, before } of type === "intent" ? body.entries : []) {
      const step = scheduled.get(id);
      const seen = before ?? run.befores.get(id) ?? null;
      if (step !== undefined) run.started.set(id, { ...step, before: seen });
    }
  }
}

function scheduledById(plan: Plan): ReadonlyMap<string, Scheduled> {
  const batches = [...batchesOf(plan, "stage"), ...batchesOf(plan, "activate")];
  return new Map(stepsOf(batches).map((step) => [fullId(step), step]));
}

/** A damaged journal is an answer here; a store that fails is not. */
function unreadable(error: unknown): Error {
  if (isLockstepError(error) && error.code === "JOURNAL_UNREADABLE") return error;
  throw error;
}

function nothingOpen(environment: string): Outcome {
  return { environment, release: "", ...UNCHANGED, live: {}, diagnostics: [] };
}

/** A recover that closed the run has done its work, also when that work was to put everything back. */
function asRecovered(outcome: Outcome): Outcome {
  const { result } = outcome;
  return isOpen(result) || result === "fenced" ? outcome : { ...outcome, exit: EXIT.done };
}
