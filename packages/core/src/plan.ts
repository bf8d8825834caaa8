import {
  canonicalJson,
  type Json,
  type Live,
  type PlannedStep,
  type PlanRequest,
  type Release,
  type TargetPlan,
} from "@lockstep/plugin";
import { digestOf } from "@lockstep/state";
import { planBroken } from "./errors.ts";
import { call, type Connected, type Session } from "./session.ts";

/** What a run will do: plain data, without secrets, the same bytes for the same facts. */
export interface Plan {
  readonly version: 1;
  readonly kind: "deploy" | "rollback";
  readonly environment: string;
  readonly release: Release;
  /** Groups of targets in turn; only targets that take part. */
  readonly groups: readonly (readonly string[])[];
  readonly targets: Readonly<Record<string, PlannedFor>>;
}

/** A target's part of a plan, and which plugin it was made by. */
export interface PlannedFor extends TargetPlan {
  readonly plugin: string;
  readonly version: string;
  readonly places: readonly string[];
  readonly fencing: "checked" | "compare" | "none";
}

/** What is to be planned. */
export interface PlanWish {
  readonly release: Release;
  /** For a rollback: what each target returns to; a target that is absent keeps what it has. */
  readonly returns?: Readonly<Record<string, readonly Live[]>>;
  /** What targets outside this run promised at their last commit. */
  readonly outputs?: Readonly<Record<string, Readonly<Record<string, Json>>>>;
  readonly signal?: AbortSignal;
}

/**
 * Asks every target for its plan, group after group, and checks what they answer.
 *
 * @throws {LockstepError} `PLAN_BROKEN` when a plugin planned something that cannot be run
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
  };
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
  const refs = wish.returns?.[name] ?? [];
  const request: PlanRequest =
    wish.returns === undefined
      ? { kind: "deploy", release: wish.release }
      : { kind: "return", refs };
  const scope = {
    target: name,
    release: wish.release,
    outputs: wish.outputsOf,
    ...(wish.signal === undefined ? {} : { signal: wish.signal }),
  };
  const { target } = connected;
  const keeps = wish.returns !== undefined && refs.length === 0 && target.steps.length > 0;
  const plan = keeps ? KEPT : await call(session, scope, (ctx) => target.plan(request, ctx));
  const ids = new Set<string>();
  for (const step of plan.steps) {
    checkStep(connected, step);
    if (ids.size === ids.add(step.id).size)
      throw planBroken({ target: name, step: step.id, what: "shares its id with another step" });
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

/** True when no target changes: checks alone are no reason for a run. */
export function isEmpty(plan: Plan): boolean {
  return !Object.values(plan.targets).some(({ steps }) =>
    steps.some(({ phase }) => phase === "stage" || phase === "activate"),
  );
}

/** Digest over everything a plan says. */
export function planDigest(plan: Plan): string {
  return digestOf(canonicalJson(plan as unknown as Json));
}

/** What makes a plan stale when it differs: steps without estimates, and the facts they were made from. */
export function planFacts(plan: Plan): string {
  const facts = Object.entries(plan.targets).map(([name, { steps, basedOn }]) => [
    name,
    steps.map((step) => ({ ...step, bytes: undefined }) as unknown as Json),
    basedOn,
  ]);
  return canonicalJson(facts);
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
    throw planBroken({ target: connected.name, step: step.id, what });
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

/** What cannot be undone must come last, once: everything before it can still be put back. */
function refuseSecondPivot(plan: Plan): void {
  const activates = plan.groups
    .flat()
    .flatMap((target) =>
      (plan.targets[target]?.steps ?? [])
        .filter(({ phase }) => phase === "activate")
        .map((step) => ({ target, step })),
    );
  const pivots = activates.filter(({ step }) => step.undo === "never");
  const [pivot, second] = pivots;
  if (pivot === undefined) return;
  if (second !== undefined) {
    throw planBroken({
      target: second.target,
      step: second.step.id,
      what: "is the second step of this run that cannot be undone",
    });
  }
  const last = activates.at(-1);
  const waveOf = ({ step }: { readonly step: PlannedStep }): number => step.wave ?? 0;
  if (
    last !== pivot ||
    activates.some((other) => other.target === pivot.target && waveOf(other) > waveOf(pivot))
  ) {
    throw planBroken({
      target: pivot.target,
      step: pivot.step.id,
      what: "cannot be undone and is not the last to activate",
    });
  }
}
