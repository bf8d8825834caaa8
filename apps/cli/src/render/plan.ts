import { type AnyTarget } from "@lockstep/config";
import { type Plan, type PlannedFor } from "@lockstep/core";
import type { PlannedStep } from "@lockstep/plugin";
import type { Look } from "./look.ts";
import { bytesText, countText, safeText, timeText } from "./text.ts";

/** What a plan is shown with. */
export interface PlanView {
  /** They put their steps into words. */
  readonly targets: Readonly<Record<string, AnyTarget>>;
  readonly look: Look;
  /** Every change and every step; otherwise the first 10 of each. */
  readonly everything?: boolean | undefined;
}

const MARKS = { add: "+", change: "~", remove: "-" } as const;

const PHASES = ["stage", "activate", "verify", "retire"] as const;

const SHOWN = 10;

/** A plan as people read it: what changes where, in which order, what is checked, how it is undone. */
export function renderPlan(plan: Plan, view: PlanView): string {
  const targets = Object.entries(plan.targets);
  const changing = targets.filter(([, { steps }]) => steps.some(isChange)).length;
  const order = plan.groups.map((group) => group.join(", ")).join(", then ");
  const verb = plan.kind === "deploy" ? "Deploy release" : "Roll back to release";
  const { style } = view.look;
  return [
    `${verb} ${style("bold", safeText(plan.release.id))} in ${style("bold", safeText(plan.environment))}`,
    "",
    ...targets.flatMap(([name, target]) => [...targetLines(name, target, view), ""]),
    ...(plan.groups.length > 1 ? [`Order: ${safeText(order)}.`] : []),
    `${countText(changing, "target")} to change, ${targets.length - changing} unchanged.`,
    "",
  ].join("\n");
}

function targetLines(name: string, target: PlannedFor, view: PlanView): string[] {
  const { look } = view;
  const { style } = look;
  return [
    `  ${style("bold", safeText(name))}  ${safeText(target.plugin)}  ${summary(target, view.targets[name])}`,
    ...target.places.map((place) => `    ${style("dim", safeText(place))}`),
    ...changeLines(target, view),
    ...(target.steps.length === 0
      ? []
      : [
          ...PHASES.flatMap((phase) => phaseLines(phase, target, { ...view, name })),
          `    ${"undo".padEnd(9)} ${safeText(target.undo)}`,
        ]),
  ];
}

/** A target that can look at all of what is live has not done so for a plan. */
const NOT_COMPARED = "unchanged since its last deploy; status --deep compares what is live";

function summary({ changes, steps, unchanged }: PlannedFor, target: AnyTarget | undefined): string {
  if (steps.length === 0) return target?.audit === undefined ? "unchanged" : NOT_COMPARED;
  if (!steps.some(isChange)) return "checks only";
  const count = (action: keyof typeof MARKS): number =>
    changes.filter((change) => change.action === action).length;
  const bytes = steps.reduce((sum, step) => sum + (step.bytes ?? 0), 0);
  const sending = bytes === 0 ? "" : `, ${bytesText(bytes)} to send`;
  return `+${count("add")} ~${count("change")} -${count("remove")}, ${unchanged} unchanged${sending}`;
}

function changeLines({ changes }: PlannedFor, { look, everything }: PlanView): string[] {
  const shown = everything === true ? changes : changes.slice(0, SHOWN);
  const lines = shown.map(({ action, what, reason, bytes, unit }) => {
    const details = [unit, reason, bytes === undefined ? undefined : bytesText(bytes)];
    const known = details.filter((detail) => detail !== undefined && detail !== what);
    return `    ${MARKS[action]} ${safeText(what)}  ${look.style("dim", safeText(`(${known.join(", ")})`))}`;
  });
  return [...lines, ...restLine(changes.length - shown.length, "change", look)];
}

function phaseLines(
  phase: (typeof PHASES)[number],
  { steps }: PlannedFor,
  { name, targets, look, everything }: PlanView & { readonly name: string },
): string[] {
  const all = steps
    .filter((step) => step.phase === phase)
    .toSorted((left, right) => (left.wave ?? 0) - (right.wave ?? 0));
  const shown = everything === true ? all : all.slice(0, SHOWN);
  const lines = shown.map((step, index) => {
    const label = (index === 0 ? phase : "").padEnd(9);
    const place = step.unit === undefined ? "" : `${step.unit}: `;
    return `    ${label} ${safeText(`${place}${describe(step, targets[name])}${remarks(step)}`)}`;
  });
  return [...lines, ...restLine(all.length - shown.length, "step", look)];
}

function describe({ kind, input }: PlannedStep, target: AnyTarget | undefined): string {
  const handlers = [
    ...(target?.steps ?? []),
    ...(target?.checks ?? []),
    ...(target?.retires ?? []),
  ];
  return handlers.find((handler) => handler.kind === kind)?.describe(input) ?? kind;
}

function remarks({ wave, undo, until }: PlannedStep): string {
  const remark = [
    ...(wave === undefined || wave === 0 ? [] : [`in wave ${wave + 1}`]),
    ...(undo === "leave" ? ["stays when the run is put back"] : []),
    ...(undo === "never" ? ["cannot be undone"] : []),
    ...(until === undefined
      ? []
      : [
          `${until.successes === 1 ? "one pass" : `${until.successes} passes in a row`} within ${timeText(until.deadlineMs)}`,
        ]),
  ];
  return remark.length === 0 ? "" : ` (${remark.join(", ")})`;
}

function restLine(count: number, word: string, look: Look): string[] {
  return count <= 0
    ? []
    : [`    ${look.mark("more")} and ${countText(count, `more ${word}`)} (-v shows all)`];
}

function isChange({ phase }: PlannedStep): boolean {
  return phase === "stage" || phase === "activate";
}
