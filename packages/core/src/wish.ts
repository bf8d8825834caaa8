import { canonicalJson, type Live, type Release } from "@lockstep/plugin";
import { commitBefore, type HistoryEntry, lastCommit, type LiveByTarget } from "@lockstep/state";
import { nothingToReturnTo, refGone } from "./errors.ts";
import type { PlanWish } from "./make-plan.ts";
import type { Session } from "./session.ts";

/** What is deployed. */
export interface Delivery {
  readonly release: Release;
  /** A commit of this release in another environment: every target must bring the same content. */
  readonly proven?: HistoryEntry | undefined;
}

/** What a deploy asks for; targets outside the run answer from their last commit. */
export async function wishToDeploy(
  { environment, targets }: Session,
  { release, proven }: Delivery,
): Promise<PlanWish> {
  const all = Object.keys(environment.targets).every((target) => targets.has(target));
  const last = all ? undefined : await lastCommit(environment.store, environment.name);
  return { release, proven, outputs: last?.outputs };
}

/**
 * What a rollback asks for: the release `to`, or the one before the live one.
 *
 * @throws {LockstepError} `NOTHING_TO_RETURN_TO`, `RELEASE_GONE`
 */
export async function wishToReturn(
  { environment }: Session,
  live: LiveByTarget,
  to: string | undefined,
): Promise<PlanWish> {
  const { store, name } = environment;
  const current = await lastCommit(store, name);
  const entry =
    to === undefined
      ? await commitBefore(store, name, current)
      : await lastCommit(store, name, ({ release }) => release.id === to);
  if (entry === undefined && (to ?? current) !== undefined) throw nothingToReturnTo(name, to);
  const refs = entry?.live ?? previousOf(live);
  const returns: Record<string, readonly Live[]> = {};
  for (const [target, units] of Object.entries(live)) {
    returns[target] = (refs[target] ?? []).filter(({ ref }) => ref !== null);
    for (const wanted of returns[target]) refuseGone(target, wanted, units);
  }
  if (Object.values(returns).every((units) => units.length === 0))
    throw nothingToReturnTo(name, to);
  return { release: entry?.release ?? PREVIOUS, returns, leaves: current?.release.id };
}

/** Without a history each target's own previous release answers. */
const PREVIOUS: Release = { id: "previous", createdAt: "" };

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
