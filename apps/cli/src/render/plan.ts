import type { Plan, PlannedFor } from "@lockstep/core";
import type { Style } from "./style.ts";
import { bytesText, countText, safeText } from "./text.ts";

const MARKS = { add: "+", change: "~", remove: "-" } as const;

/** Changes of one target that are shown unless everything is. */
const SHOWN = 10;

/** A plan as people read it: what changes where, in which order, what is checked, how it is undone. */
export function renderPlan(plan: Plan, style: Style, everything = false): string {
  const targets = Object.entries(plan.targets);
  const parts = targets.map(([name, target]) => renderTarget(name, target, { style, everything }));
  const changing = targets.filter(([, { steps }]) => steps.length > 0).length;
  const order = plan.groups.map((group) => group.join(", ")).join(", then ");
  const verb = plan.kind === "deploy" ? "Deploy" : "Roll back to";
  return [
    `${verb} release ${style("bold", safeText(plan.release.id))} in ${style("bold", plan.environment)}`,
    "",
    ...parts,
    ...(plan.groups.length > 1 ? [`Order: ${order}.`] : []),
    `${countText(changing, "target")} to change, ${targets.length - changing} unchanged.`,
    "",
  ].join("\n");
}

function renderTarget(
  name: string,
  target: PlannedFor,
  { style, everything }: { readonly style: Style; readonly everything: boolean },
): string {
  const { changes, steps, unchanged } = target;
  const count = (action: keyof typeof MARKS): number =>
    changes.filter((change) => change.action === action).length;
  const bytes = steps.reduce((sum, step) => sum + (step.bytes ?? 0), 0);
  const counts =
    steps.length === 0
      ? "unchanged"
      : `+${count("add")} ~${count("change")} -${count("remove")}, ${unchanged} unchanged, ${bytesText(bytes)} to send`;
  const shown = everything ? changes : changes.slice(0, SHOWN);
  const lines = shown.map(({ action, what, reason, bytes: size, unit }) => {
    const details = [
      reason,
      ...(size === undefined ? [] : [bytesText(size)]),
      ...(unit === undefined ? [] : [unit]),
    ];
    return `    ${MARKS[action]} ${safeText(what)}  ${style("dim", `(${details.join(", ")})`)}`;
  });
  const rest = changes.length - shown.length;
  return [
    `  ${style("bold", name)}  ${target.plugin}  ${counts}`,
    ...target.places.map((place) => `    ${style("dim", safeText(place))}`),
    ...lines,
    ...(rest > 0 ? [`    … and ${rest} more (-v shows all)`] : []),
    ...(steps.length === 0 ? [] : [stepLine(target), `    undo: ${safeText(target.undo)}`]),
    "",
  ].join("\n");
}

function stepLine({ steps }: PlannedFor): string {
  const phases = ["stage", "activate", "verify", "retire"] as const;
  const parts = phases
    .map((phase) => [phase, steps.filter((step) => step.phase === phase).length] as const)
    .filter(([, count]) => count > 0)
    .map(([phase, count]) => `${phase} ${count}`);
  return `    steps: ${parts.join(", ")}`;
}
