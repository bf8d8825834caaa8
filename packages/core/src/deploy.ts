import { canonicalJson, type Json } from "@lockstep/plugin";
import {
  admit,
  admitForeign,
  type BeginBody,
  lastCommit,
  leftBy,
  type Lease,
  lineageOf,
  type LiveByTarget,
  openJournal,
  openRun,
  putBlob,
  raiseAbove,
  takeLease,
} from "@lockstep/state";
import { type Outcome, UNCHANGED } from "./ending.ts";
import { confirmationNeeded, planStale } from "./errors.ts";
import { execute, type OnStop } from "./execute.ts";
import { isUnfenced, type Job, readLive, sessionOf } from "./job.ts";
import { makePlan, type PlanWish } from "./make-plan.ts";
import { isEmpty, type Plan, planFacts } from "./plan.ts";
import { type Run, startRun } from "./run.ts";
import type { Session } from "./session.ts";
import { type Delivery, wishToDeploy, wishToReturn } from "./wish.ts";

/** A job that changes targets. */
export interface RunJob extends Job {
  /** Aborts when the user asks to stop. */
  readonly stop: AbortSignal;
  readonly onStop: OnStop;
  /** Milliseconds to wait for another run to end; default 0. */
  readonly lockWaitMs?: number;
  /** Take over targets that another store's runs have stamped. */
  readonly adopt?: boolean;
  /** Deploy a release although a newer one is live. */
  readonly allowOlder?: boolean;
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
 *   `FOREIGN_LINEAGE`, `CONFIRMATION_NEEDED`, `NEWER_IS_LIVE`, `RELEASE_QUARANTINED`, `RELEASE_DIFFERS`, and
 *   whatever targets raise while they are read
 */
export async function deploy(job: RunJob & Delivery): Promise<Outcome> {
  return runJob(job, { wish: admitted(job, job) });
}

/**
 * Runs exactly a plan that was made before, on the targets it names.
 *
 * @throws {LockstepError} as {@link deploy}; `PLAN_STALE` when planning again gives anything else
 */
export async function apply(job: RunJob & { readonly plan: Plan }): Promise<Outcome> {
  const { plan } = job;
  const all = { ...job, targets: plan.groups.flat() };
  return runJob(all, { wish: admitted(job, plan), saved: plan });
}

/**
 * Makes an earlier release live again, as a planned run of its own: `to`, or the one before the live one.
 *
 * @throws {LockstepError} as {@link deploy}, and `RELEASE_GONE`, `NOTHING_TO_RETURN_TO`
 */
export async function rollback(job: RunJob & { readonly to?: string }): Promise<Outcome> {
  return runJob(job, { wish: (session, live) => wishToReturn(session, live, job.to) });
}

/** Plans a deploy and changes nothing. */
export async function planDeploy(job: Job & Delivery): Promise<Plan> {
  await using session = await sessionOf(job);
  await readLive(session);
  const plan = await makePlan(session, await wishToDeploy(session, job));
  tellPlan(session, plan);
  return plan;
}

type Wish = (session: Session, live: LiveByTarget) => Promise<PlanWish>;

/** Asked again under the lease: another run may have deployed something newer meanwhile. */
function admitted({ allowOlder = false }: RunJob, delivery: Delivery): Wish {
  return async (session) => {
    const { store, name: environment } = session.environment;
    await admit(delivery.release, { store, environment, allowOlder });
    return wishToDeploy(session, delivery);
  };
}

/** What belongs to one run from its first look to its end. */
interface Attempt {
  readonly wish: Wish;
  /** The plan must be the same as this one. */
  readonly saved?: Plan;
  readonly job: RunJob;
  readonly session: Session;
  readonly lineage: string;
}

/** What is to be done, and to what. */
interface Draft {
  readonly plan: Plan;
  readonly live: LiveByTarget;
  readonly isNothing: boolean;
}

async function runJob(job: RunJob, planning: Pick<Attempt, "wish" | "saved">): Promise<Outcome> {
  await using session = await sessionOf(job);
  const { store, name: environment } = session.environment;
  const { surroundings, stop: signal, lockWaitMs: waitMs = 0 } = job;
  const left = await leftBy(store, environment);
  // Said early, so that nobody reads a plan that cannot be run; taking the lease says it for certain.
  if (left !== undefined) throw openRun(environment, left);
  const attempt = { ...planning, job, session, lineage: await lineageOf(store, surroundings) };
  const shown = await confirmed(attempt);
  if (shown?.isNothing === true) return await unchanged(session, shown);
  const lease = await takeLease({
    store,
    environment,
    surroundings,
    signal,
    waitMs,
    patient: isUnfenced(session),
    onWaiting: ({ run, user, machine }) =>
      session.events.emit({ type: "lease.waiting", holder: `${run} (${user} on ${machine})` }),
  });
  return await underLease(attempt, lease, shown);
}

async function draft(attempt: Attempt, signal: AbortSignal): Promise<Draft> {
  const { job, session, lineage, wish } = attempt;
  const live = await readLive(session, signal);
  const isEphemeral = session.environment.store.traits.ephemeral === true;
  const isForeign = admitForeign(live, lineage, job.adopt ?? isEphemeral);
  const plan = await makePlan(session, { ...(await wish(session, live)), signal });
  // Where nothing differs, a run of no steps still stamps foreign targets, so that they are ours from then on.
  return { plan, live, isNothing: isEmpty(plan) && !(isForeign && job.adopt === true) };
}

/** What somebody saw and said yes to, now or when it was saved; undefined when nobody wants to see it. */
async function confirmed(attempt: Attempt): Promise<Draft | undefined> {
  const { job, saved, session } = attempt;
  if (job.confirm === undefined && saved === undefined) return undefined;
  const shown = await draft(attempt, job.stop);
  const { plan } = shown;
  if (saved !== undefined && planFacts(plan) !== planFacts(saved)) throw planStale();
  tellPlan(session, plan);
  const yes = isEmpty(plan) || job.confirm === undefined || (await job.confirm(plan));
  if (!yes) throw confirmationNeeded(plan.environment);
  return shown;
}

/** From here on a killed process leaves an open run; until `run.begin` it holds nothing to undo. */
async function underLease(
  attempt: Attempt,
  lease: Lease,
  shown: Draft | undefined,
): Promise<Outcome> {
  const { session, job } = attempt;
  let begin: Draft;
  try {
    begin = await draft(attempt, AbortSignal.any([job.stop, lease.lost]));
    if (shown === undefined) tellPlan(session, begin.plan);
    else if (planFacts(begin.plan) !== planFacts(shown.plan)) throw planStale();
    if (begin.isNothing) {
      await lease.release({ open: false });
      return await unchanged(session, begin);
    }
    await raiseAbove(lease, begin.live);
  } catch (error) {
    await lease.release({ open: false }).catch(() => lease.abandon());
    throw error;
  }
  try {
    // Its first record may be durable although the store said otherwise: from here on the run is open.
    return await execute(await beginRun(attempt, lease, begin), job.onStop);
  } catch (error) {
    await lease.release({ open: true }).catch(() => undefined);
    throw error;
  } finally {
    lease.abandon();
  }
}

async function beginRun(
  { session, job, lineage }: Attempt,
  lease: Lease,
  { plan, live }: Draft,
): Promise<Run> {
  const { store } = session.environment;
  const { surroundings, message, stop } = job;
  const { kind, environment, release } = plan;
  const body: BeginBody = {
    kind,
    environment,
    release,
    live,
    message,
    who: surroundings.who,
    targets: plan.groups.flat(),
    plan: await putBlob(store, canonicalJson(plan as unknown as Json)),
  };
  const journal = await openJournal(store, lease.run, lease);
  await journal.append("run.begin", body);
  return startRun({ session, plan, journal, lease, lineage, liveBefore: live, stop });
}

/** Nothing was to be done: what is live is what was deployed last. */
async function unchanged(session: Session, { plan, live }: Draft): Promise<Outcome> {
  const { store, name: environment } = session.environment;
  session.events.emit({ type: "run.finished", ...UNCHANGED });
  const release = (await lastCommit(store, environment))?.release.id ?? plan.release.id;
  return { environment, release, ...UNCHANGED, live, diagnostics: [] };
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
