import { EXIT_OF } from "@lockstep/events";
import { canonicalJson, type Json, type Live, type Release } from "@lockstep/plugin";
import {
  openRun,
  type BeginBody,
  type HistoryEntry,
  lastCommit,
  highestEpoch,
  lineageOf,
  type LiveByTarget,
  refuseForeign,
  openJournal,
  putBlob,
  isLeft,
  type Lease,
  readLease,
  takeLease,
} from "@lockstep/state";
import { type Outcome } from "./ending.ts";
import { confirmationNeeded, nothingToReturnTo, planStale, refGone } from "./errors.ts";
import { execute, type OnStop } from "./execute.ts";
import { isUnfenced, type Job, readLive, sessionOf } from "./job.ts";
import { isEmpty, makePlan, type Plan, planFacts, type PlanWish } from "./plan.ts";
import { type Run, startRun } from "./run.ts";
import { type Session } from "./session.ts";

/** A job that changes targets. */
export interface RunJob extends Job {
  /** Aborts when the user asks to stop. */
  readonly stop: AbortSignal;
  readonly onStop: OnStop;
  /** Milliseconds to wait for another run to end; default 0. */
  readonly lockWaitMs?: number;
  /** Take over targets that another store's runs have stamped. */
  readonly adopt?: boolean;
  /** Kept in the history. */
  readonly message?: string;
  /** Shown the plan before anything is locked or changed; false means no. Absent: yes, unseen. */
  confirm?(plan: Plan): Promise<boolean>;
}

/**
 * Deploys a release to all targets, or to none.
 *
 * Resolves for every run that began, whatever became of it; rejects when nothing was changed.
 *
 * @throws {LockstepError} before any write to a target: `RUN_OPEN`, `LEASE_HELD`, `PLAN_STALE`,
 *   `FOREIGN_LINEAGE`, `CONFIRMATION_NEEDED`, and whatever targets raise while they are read
 */
export async function deploy(job: RunJob & { readonly release: Release }): Promise<Outcome> {
  return runJob(job, async (session) => wishToDeploy(session, job.release));
}

/**
 * Makes an earlier release live again, as a planned run of its own: `to`, or the one before the live one.
 *
 * @throws {LockstepError} as {@link deploy}, and `RELEASE_GONE`, `NOTHING_TO_RETURN_TO`
 */
export async function rollback(job: RunJob & { readonly to?: string }): Promise<Outcome> {
  return runJob(job, (session, live) => wishToReturn(session, live, job.to));
}

/** Plans a deploy and changes nothing. */
export async function planDeploy(job: Job & { readonly release: Release }): Promise<Plan> {
  await using session = await sessionOf(job);
  await readLive(session);
  const plan = await makePlan(session, await wishToDeploy(session, job.release));
  tellPlan(session, plan);
  return plan;
}

type Wish = (session: Session, live: LiveByTarget) => Promise<PlanWish>;

/** What belongs to one run from its first look to its end. */
interface Attempt {
  readonly job: RunJob;
  readonly wish: Wish;
  readonly session: Session;
  readonly lineage: string;
  /** The plan somebody said yes to; absent when nobody was asked. */
  readonly shown: Plan | undefined;
}

async function runJob(job: RunJob, wish: Wish): Promise<Outcome> {
  await using session = await sessionOf(job);
  const { store, name } = session.environment;
  const { surroundings } = job;
  const found = await readLease(store, name);
  // Said early, so that nobody reads a plan that cannot be run; taking the lease says it for certain.
  if (found?.body.open === true && (await isLeft(found, store)))
    throw openRun(name, found.body.holder);
  const live = await readLive(session, job.stop);
  const lineage = await lineageOf(store, surroundings);
  refuseForeign(live, lineage, job.adopt === true || store.traits.ephemeral === true);

  const shown =
    job.confirm === undefined ? undefined : await confirmed(session, live, { job, wish });
  if (shown !== undefined && isEmpty(shown)) return await unchanged(session, shown, live);
  const lease = await takeLease({
    store,
    environment: name,
    surroundings,
    above: highestEpoch(live),
    waitMs: job.lockWaitMs ?? 0,
    patient: isUnfenced(session),
    signal: job.stop,
    onWaiting: ({ run, user, machine }) =>
      session.events.emit({ type: "lease.waiting", holder: `${run} (${user} on ${machine})` }),
  });
  return await underLease({ job, wish, session, lineage, shown }, lease);
}

async function confirmed(
  session: Session,
  live: LiveByTarget,
  { job, wish }: Pick<Attempt, "job" | "wish">,
): Promise<Plan> {
  const plan = await makePlan(session, {
    ...(await wish(session, live)),
    signal: job.stop,
  });
  tellPlan(session, plan);
  const yes = isEmpty(plan) || (await job.confirm?.(plan)) === true;
  if (!yes) throw confirmationNeeded(plan.environment);
  return plan;
}

/** From here on a killed process leaves an open run; until `run.begin` it holds nothing to undo. */
async function underLease(attempt: Attempt, lease: Lease): Promise<Outcome> {
  const { session, shown, job } = attempt;
  let run: Run;
  try {
    const signal = AbortSignal.any([job.stop, lease.lost]);
    const live = await readLive(session, signal);
    const plan = await makePlan(session, { ...(await attempt.wish(session, live)), signal });
    if (shown === undefined) tellPlan(session, plan);
    else if (planFacts(plan) !== planFacts(shown)) throw planStale();
    if (isEmpty(plan)) {
      await lease.release({ open: false });
      return await unchanged(session, plan, live);
    }
    run = await beginRun(attempt, lease, { plan, live });
  } catch (error) {
    await lease.release({ open: false }).catch(() => lease.abandon());
    throw error;
  }
  try {
    return await execute(run, job.onStop);
  } finally {
    lease.abandon();
  }
}

async function beginRun(
  { session, job, lineage }: Attempt,
  lease: Lease,
  { plan, live }: { readonly plan: Plan; readonly live: LiveByTarget },
): Promise<Run> {
  const { store } = session.environment;
  const { surroundings } = job;
  const { kind, environment, release } = plan;
  const body: BeginBody = {
    kind,
    environment,
    release,
    who: surroundings.who,
    targets: plan.groups.flat(),
    plan: await putBlob(store, canonicalJson(plan as unknown as Json)),
    live,
    ...(job.message === undefined ? {} : { message: job.message }),
  };
  const writer = { epoch: lease.epoch, now: () => surroundings.now() };
  const journal = await openJournal(store, lease.run, writer);
  await journal.append("run.begin", body as unknown as Json);
  const stamp = { lineage, epoch: lease.epoch, run: lease.run };
  return startRun({ session, plan, journal, lease, stamp, liveBefore: live, stop: job.stop });
}

/** Nothing was to be done: what is live is what was deployed last. */
async function unchanged(session: Session, plan: Plan, live: LiveByTarget): Promise<Outcome> {
  const { store, name } = session.environment;
  const result = "unchanged";
  session.events.emit({ type: "run.finished", result, exit: EXIT_OF[result] });
  return {
    environment: name,
    release: (await lastCommit(store, name))?.release.id ?? plan.release.id,
    result,
    exit: EXIT_OF[result],
    live,
    diagnostics: [],
  };
}

function tellPlan(session: Session, plan: Plan): void {
  const targets = Object.entries(plan.targets).map(
    ([target, { changes, unchanged: same, steps }]) => ({
      target,
      changes: changes.length,
      unchanged: same,
      steps: steps.length,
      bytes: steps.reduce((sum, { bytes = 0 }) => sum + bytes, 0),
    }),
  );
  session.events.emit({ type: "plan.finished", targets });
}

async function wishToDeploy(session: Session, release: Release): Promise<PlanWish> {
  const { store, name, targets } = session.environment;
  const all = Object.keys(targets).every((target) => session.targets.has(target));
  const last = all ? undefined : await lastCommit(store, name);
  return { release, ...(last === undefined ? {} : { outputs: last.outputs }) };
}

async function wishToReturn(
  session: Session,
  live: LiveByTarget,
  to: string | undefined,
): Promise<PlanWish> {
  const { store, name } = session.environment;
  const entry = await commitToReturnTo(session, to);
  const hasHistory = to !== undefined || (await lastCommit(store, name)) !== undefined;
  if (entry === undefined && hasHistory) throw nothingToReturnTo(name, to);
  const refs = entry?.live ?? previousOf(live);
  const returns: Record<string, readonly Live[]> = {};
  for (const [target, units] of Object.entries(live)) {
    returns[target] = (refs[target] ?? []).filter(({ ref }) => ref !== null);
    for (const wanted of returns[target]) refuseGone(target, wanted, units);
  }
  if (Object.values(returns).every((units) => units.length === 0))
    throw nothingToReturnTo(name, to);
  return { release: entry?.release ?? PREVIOUS, returns };
}

/** Without a history each target's own previous release answers. */
const PREVIOUS: Release = { id: "previous", createdAt: "" };

/** The commit before the one that first made the live release live: a rollback never goes forward again. */
async function commitToReturnTo(
  { environment }: Session,
  to: string | undefined,
): Promise<HistoryEntry | undefined> {
  const { store, name } = environment;
  if (to !== undefined) return lastCommit(store, name, ({ release }) => release.id === to);
  const current = await lastCommit(store, name);
  const id = current?.release.id;
  const origin = await lastCommit(
    store,
    name,
    ({ kind, release }) => kind === "deploy" && release.id === id,
  );
  const before = (origin ?? current)?.run ?? "";
  return lastCommit(store, name, ({ run, release }) => run < before && release.id !== id);
}

function previousOf(live: LiveByTarget): LiveByTarget {
  return Object.fromEntries(
    Object.entries(live).map(([target, units]) => [
      target,
      units.map(({ kept: [last], ...unit }) => ({ ...unit, ref: last ?? null, kept: [] })),
    ]),
  );
}

function refuseGone(target: string, wanted: Live, units: readonly Live[]): void {
  const unit = units.find((live) => live.unit === wanted.unit);
  const there = [unit?.ref ?? null, ...(unit?.kept ?? [])].map((ref) => canonicalJson(ref));
  if (!there.includes(canonicalJson(wanted.ref))) throw refGone(target, wanted);
}
