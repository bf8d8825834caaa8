import {
  type Json,
  type Live,
  type PlannedStep,
  type PlanRequest,
  type Release,
  type TargetPlan,
} from "@lockstep/plugin";
import type { HistoryEntry } from "@lockstep/state";
import { planBroken, releaseDiffers } from "./errors.ts";
import type { Plan, PlannedFor } from "./plan.ts";
import { batchesOf, stepsOf } from "./schedule.ts";
import { call, type Connected, type Session } from "./session.ts";

/** What is to be planned. */
export interface PlanWish {
  readonly release: Release;
  /** For a rollback: what each target returns to; a target that is absent keeps what it has. */
  readonly returns?: Readonly<Record<string, readonly Live[]>>;
  /** What targets outside this run promised at their last commit. */
  readonly outputs?: HistoryEntry["outputs"] | undefined;
  /** A commit of the same release elsewhere; what differs from it in content is refused. */
  readonly proven?: HistoryEntry | undefined;
  readonly leaves?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks every target for its plan, group after group, and checks what they answer.
 *
 * @throws {LockstepError} `PLAN_BROKEN` when a plugin planned something that cannot be run, `RELEASE_DIFFERS`
 */
export async function makePlan(session: Session, wish: PlanWish): Promise<Plan> {
  const groups = session.environment.groups
    .map((group) => group.filter((name) => session.targets.has(name)))
    .filter((group) => group.length > 0);
  const targets: Record<string, PlannedFor> = {};
  for (const group of groups) {
    const outputs = (name: string): Readonly<Record<string, Json>> | undefined =>
      targets[name]?.outputs ?? wish.outputs?.[name];
    const plans = await Promise.all(
      group.map((name) => planTarget(session, name, { ...wish, outputsOf: outputs })),
    );
    for (const [index, name] of group.entries()) {
      const planned = plans[index];
      if (planned !== undefined) targets[name] = planned;
    }
  }
  const plan: Plan = {
    version: 1,
    kind: wish.returns === undefined ? "deploy" : "rollback",
    environment: session.environment.name,
    release: wish.release,
    groups,
    targets,
    leaves: wish.leaves,
  };
  if (wish.proven !== undefined) refuseDifferent(plan, wish.proven);
  refuseSecondPivot(plan);
  return plan;
}

async function planTarget(
  session: Session,
  name: string,
  wish: PlanWish & { outputsOf(target: string): Readonly<Record<string, Json>> | undefined },
): Promise<PlannedFor | undefined> {
  const connected = session.targets.get(name);
  if (connected === undefined) return undefined;
  const { release, returns, outputsOf: outputs, signal } = wish;
  const refs = returns?.[name] ?? [];
  const request: PlanRequest =
    returns === undefined ? { kind: "deploy", release } : { kind: "return", refs };
  const scope = { target: name, release, outputs, signal };
  const { target } = connected;
  const keeps = returns !== undefined && refs.length === 0 && target.steps.length > 0;
  const plan = keeps ? KEPT : await call(session, scope, (ctx) => target.plan(request, ctx));
  const ids = new Set<string>();
  for (const step of plan.steps) {
    checkStep(connected, step);
    if (ids.size === ids.add(step.id).size)
      throw planBroken(name, step.id, "shares its id with another step");
  }
  const { plugin, version } = target["~lockstep"];
  return { ...plan, plugin, version, places: target.places, fencing: target.traits.fencing };
}

const KEPT: TargetPlan = {
  changes: [],
  unchanged: 0,
  steps: [],
  basedOn: null,
  undo: "Nothing to undo: this target never had that release and keeps what it has.",
};

/** What was proven is content: every target that takes any must bring the same digest. */
function refuseDifferent({ targets }: Plan, proven: HistoryEntry): void {
  for (const [name, { outputs, steps }] of Object.entries(targets)) {
    const wanted = proven.outputs[name]?.["digest"];
    const found = outputs?.["digest"];
    if (found === undefined && steps.every(({ phase }) => phase === "verify")) continue;
    if (found === undefined || found !== wanted)
      throw releaseDiffers(name, proven, [wanted, found]);
  }
}

/** The kind of handler a planned step needs, by the phase it stands in. */
export type Role = "step" | "check" | "retire";

/** Finds what a planned step is to be run by; undefined when the plugin has no such kind. */
export function roleOf({ target }: Connected, kind: string): Role | undefined {
  if (target.steps.some((step) => step.kind === kind)) return "step";
  if (target.checks?.some((check) => check.kind === kind) === true) return "check";
  return target.retires?.some((retire) => retire.kind === kind) === true ? "retire" : undefined;
}

const ALLOWED: Readonly<Record<PlannedStep["phase"], readonly Role[]>> = {
  stage: ["step", "check"],
  activate: ["step", "check"],
  verify: ["check"],
  retire: ["retire"],
};

function checkStep(connected: Connected, step: PlannedStep): void {
  const refuse = (what: string): never => {
    throw planBroken(connected.name, step.id, what);
  };
  const role = roleOf(connected, step.kind);
  if (role === undefined)
    return refuse(`has kind ${step.kind}, for which the plugin has no handler`);
  if (!ALLOWED[step.phase].includes(role)) refuse(`is a ${role} and cannot stand in ${step.phase}`);
  const handler = connected.target.steps.find(({ kind }) => kind === step.kind);
  if (role === "step" && step.undo === undefined && handler?.revert === undefined) {
    refuse("has no revert and does not say how it is undone");
  }
}

/** What cannot be undone must come last, once, and alone: everything before it can still be put back. */
function refuseSecondPivot(plan: Plan): void {
  const batches = batchesOf(plan, "activate");
  const last = batches.at(-1)?.lanes ?? [];
  const pivots = stepsOf(batches).filter(({ step }) => step.undo === "never");
  for (const [index, { target, step }] of pivots.entries()) {
    const isLast = last.length === 1 && last[0]?.steps.at(-1)?.step === step;
    if (index > 0) throw planBroken(target, step.id, "is the second that cannot be undone");
    if (!isLast)
      throw planBroken(target, step.id, "cannot be undone and is not the last to activate");
  }
}
