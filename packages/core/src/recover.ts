import { EXIT_OF, type Result } from "@lockstep/events";
import type { Json } from "@lockstep/plugin";
import {
  type BeginBody,
  highestEpoch,
  lineageOf,
  getBlob,
  type JournalRecord,
  openJournal,
  type Lease,
  readLease,
  takeLease,
} from "@lockstep/state";
import { close, type Outcome } from "./ending.ts";
import { pluginChanged, recoverDiffers, runInterrupted, runNotOpen, targetGone } from "./errors.ts";
import { abort, commit, fenceAll, putBack } from "./execute.ts";
import { environmentOf, isUnfenced, type Job, sessionOf } from "./job.ts";
import { liveOf, observe } from "./observe.ts";
import { type Plan, roleOf } from "./plan.ts";
import { type Run, startRun } from "./run.ts";
import { batchesOf, fullId, type Scheduled } from "./schedule.ts";
import { type Session } from "./session.ts";

/** A job that finishes or undoes what another process left. */
export interface RecoverJob extends Job {
  /** Name of the run; default the open one. */
  readonly run?: string;
  readonly stop: AbortSignal;
}

/**
 * Finishes or undoes the open run of an environment, from its journal and from what the targets say.
 *
 * What was committed is finished, everything else is put back. Exit 0 when the run is closed, or when there
 * was none to recover; 32 when a human is needed, and then the run stays open.
 *
 * @throws {LockstepError} before any write to a target: `LEASE_HELD`, `RUN_NOT_OPEN`, `TARGET_GONE`,
 *   `RECOVER_DIFFERS`, `PLUGIN_CHANGED`, `JOURNAL_UNREADABLE`
 */
export async function recover(job: RecoverJob): Promise<Outcome> {
  const environment = environmentOf(job);
  const { store, name } = environment;
  const { surroundings } = job;
  const found = await readLease(store, name);
  if (job.run !== undefined && job.run !== found?.body.holder.run)
    throw runNotOpen(job.run, found?.body.holder.run);
  if (found?.body.open !== true) return nothingOpen(name);

  const reader = { epoch: 0, now: () => surroundings.now() };
  const { records } = await openJournal(store, found.body.holder.run, reader);
  const begin = beginOf(records);
  for (const target of begin?.targets ?? []) {
    if (environment.targets[target] === undefined) throw targetGone(target, found.body.holder.run);
  }
  await using session = await sessionOf(job, begin?.targets ?? []);
  const above = highestEpoch(liveOf(await observe(session, begin?.live)));
  const patient = isUnfenced(session);
  const lease = await takeLease({
    store,
    environment: name,
    surroundings,
    above,
    recover: true,
    patient,
    signal: job.stop,
  });
  try {
    return await recoverUnder(session, lease, job);
  } catch (error) {
    await lease.release({ open: true }).catch(() => undefined);
    throw error;
  } finally {
    lease.abandon();
  }
}

async function recoverUnder(session: Session, lease: Lease, job: RecoverJob): Promise<Outcome> {
  const { store } = session.environment;
  const { surroundings } = session;
  const journal = await openJournal(store, lease.run, {
    epoch: lease.epoch,
    now: () => surroundings.now(),
  });
  // Only after this record is in its slot can no other process add a fact that the fold would miss.
  await journal.appendFirst("epoch.begin", {
    epoch: lease.epoch,
    who: surroundings.who as unknown as Json,
  });

  const begin = beginOf(journal.records);
  const over = journal.records.some(({ type }) => type === "run.end");
  if (begin === undefined || over) {
    await lease.release({ open: false });
    return {
      ...nothingOpen(session.environment.name),
      run: lease.run,
      release: begin?.release.id ?? "",
    };
  }
  const plan = (await getBlob(store, begin.plan)) as unknown as Plan;
  refuseDifferences(session, plan);
  const lineage = await lineageOf(store, surroundings);
  const stamp = { lineage, epoch: lease.epoch, run: journal.run };
  const { stop } = job;
  const run = startRun({ session, plan, journal, lease, stamp, liveBefore: begin.live, stop });
  replay(run);
  return asRecovered(await finish(run));
}

/** What is decided stays decided; what is not, is presumed aborted. */
async function finish(run: Run): Promise<Outcome> {
  await fenceAll(run); // an unreachable unit shows again, by name, when it is to be put back
  const decision = run.journal.records.find(({ type }) => type === "decision");
  const verdict = (decision?.body as { readonly verdict?: string } | undefined)?.verdict;
  if (verdict === "commit") return commit(run);
  if (verdict === "abort") return close(run, await putBack(run, []));
  return abort(run, runInterrupted(run.journal.run));
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
    if (wanted !== found) throw recoverDiffers(name, { wanted, found });
  }
}

/** Gives the run what the process that was killed knew, from its records. */
function replay(run: Run): void {
  const scheduled = scheduledById(run.plan);
  for (const { type, body } of run.journal.records) {
    const fact = body as unknown as Facts;
    if (type === "barrier") for (const { id, before } of fact.befores) run.befores.set(id, before);
    if (type === "applied") run.outputs.set(fact.id, fact.output);
    if (type === "checkpoint") run.checkpoints.set(fact.id, fact.value);
    for (const { id, before } of type === "intent" ? fact.entries : []) {
      const step = scheduled.get(id);
      const seen = before ?? run.befores.get(id) ?? null;
      if (step !== undefined) run.started.push({ ...step, before: seen });
    }
  }
}

/** The members of the record bodies that a recover reads. */
interface Facts {
  readonly befores: readonly { readonly id: string; readonly before: Json }[];
  readonly entries: readonly { readonly id: string; readonly before?: Json }[];
  readonly id: string;
  readonly output: Json;
  readonly value: Json;
}

function scheduledById(plan: Plan): ReadonlyMap<string, Scheduled> {
  const batches = [...batchesOf(plan, "stage"), ...batchesOf(plan, "activate")];
  const steps = batches.flatMap(({ lanes }) => lanes.flatMap((lane) => lane.steps));
  return new Map(steps.map((step) => [fullId(step), step]));
}

function beginOf(records: readonly JournalRecord[]): BeginBody | undefined {
  const record = records.find(({ type }) => type === "run.begin");
  return record === undefined ? undefined : (record.body as unknown as BeginBody);
}

function nothingOpen(environment: string): Outcome {
  return {
    environment,
    release: "",
    result: "unchanged",
    exit: EXIT_OF.unchanged,
    live: {},
    diagnostics: [],
  };
}

const CLOSED: readonly Result[] = ["done", "unchanged", "failed", "interrupted", "rolled-back"];

/** A recover that closed the run has done its work, also when that work was to put everything back. */
function asRecovered(outcome: Outcome): Outcome {
  return CLOSED.includes(outcome.result) ? { ...outcome, exit: EXIT_OF.done } : outcome;
}
