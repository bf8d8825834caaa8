import type { Event } from "@lockstep/core";
import type { Style } from "./style.ts";
import { bytesText, countText, placeText, safeText, timeText } from "./text.ts";

/** What is going on, gathered from the events so far. */
export interface Story {
  /** Steps that have begun and not ended, by target, unit and id. */
  readonly active: Map<string, ActiveStep>;
}

/** A step that is going on. */
export interface ActiveStep {
  readonly place: string;
  readonly text: string;
  readonly since: number;
  bytes?: number;
  totalBytes?: number;
  items?: number;
  totalItems?: number;
}

/** A story that has not begun. */
export function newStory(): Story {
  return { active: new Map() };
}

const MARKS: Readonly<Record<string, string>> = {
  applied: "✔",
  passed: "✔",
  retired: "✔",
  restored: "↺",
  untouched: "–",
  left: "–",
  conflict: "✖",
  failed: "✖",
  inconclusive: "?",
};

/** Takes an event; the finished lines it adds to the story. */
export function tellEvent(story: Story, event: Event, style: Style): string[] {
  switch (event.type) {
    case "plan.finished":
      return event.targets.map(
        ({ target, changes, steps, bytes }) =>
          `  ${target}: ${steps === 0 ? "unchanged" : `${countText(changes, "change")}, ${countText(steps, "step")}, ${bytesText(bytes)} to send`}`,
      );
    case "run.started":
      return [`Run ${event.run} takes release ${safeText(event.release)} to ${event.environment}.`];
    case "lease.waiting":
      return [`  waiting for run ${safeText(event.holder)}`];
    case "phase.started":
      return event.steps === 0
        ? []
        : [style("bold", `${event.phase} (${countText(event.steps, "step")})`)];
    case "step.started":
      story.active.set(keyOf(event), {
        place: placeText(event),
        text: safeText(event.text),
        since: Date.parse(event.at),
      });
      return [];
    case "step.progress":
      Object.assign(story.active.get(keyOf(event)) ?? {}, event);
      return [];
    case "step.retrying":
      return [`  [${placeText(event)}] again, try ${event.attempt + 1}: ${safeText(event.reason)}`];
    case "step.finished":
      return finished(story, event, style);
    case "barrier":
      return ["Everything is staged everywhere; pointers move now."];
    case "decision":
      return event.verdict === "abort" ? [`Abort: ${safeText(event.reason)}`] : [];
    case "check.tried":
    case "diagnostic":
    case "phase.finished":
    case "run.finished":
    case "step.log":
    case "watch.finished":
      break; // told at the end, or not at all
  }
  return [];
}

/** Lines that only `-v` tells. */
export function tellDetails(event: Event): string[] {
  if (event.type === "step.log") {
    const lines = event.text.split("\n").filter((line) => line.trim() !== "");
    return lines.map((line) => `    [${placeText(event)}] ${safeText(line)}`);
  }
  if (event.type === "check.tried") {
    return [
      `    [${placeText(event)}] ${event.status}${event.found === undefined ? "" : `: ${safeText(event.found)}`}`,
    ];
  }
  return [];
}

/** What is going on, one line per step, at most `rows`. */
export function renderFrame(
  story: Story,
  { columns, rows, now }: { readonly columns: number; readonly rows: number; readonly now: number },
): string[] {
  const steps = [...story.active.values()];
  const lines = steps
    .slice(0, rows)
    .map((step) => `  … [${step.place}] ${amountText(step, now)}${step.text}`);
  const more = steps.length > rows ? [`  … and ${steps.length - rows} more`] : [];
  return [...lines, ...more].map((line) =>
    line.length > columns ? `${line.slice(0, columns - 1)}…` : line,
  );
}

function amountText(
  { bytes, totalBytes, items, totalItems, since }: ActiveStep,
  now: number,
): string {
  const seconds = Math.max(0.001, (now - since) / 1000);
  if (bytes !== undefined) {
    const of = totalBytes === undefined ? "" : ` of ${bytesText(totalBytes)}`;
    return `${bytesText(bytes)}${of}, ${bytesText(bytes / seconds)}/s  `;
  }
  if (items !== undefined)
    return `${items}${totalItems === undefined ? "" : ` of ${totalItems}`}  `;
  return "";
}

function finished(
  story: Story,
  event: Event & { readonly type: "step.finished" },
  style: Style,
): string[] {
  const step = story.active.get(keyOf(event));
  story.active.delete(keyOf(event));
  const mark = MARKS[event.result] ?? "";
  const colored = style(mark === "✖" ? "red" : mark === "✔" ? "green" : "yellow", mark);
  const sent = step?.totalBytes === undefined ? "" : `, ${bytesText(step.totalBytes)}`;
  return [
    `  ${colored} [${placeText(event)}] ${step?.text ?? ""} ${style("dim", `(${timeText(event.ms)}${sent})`)}`,
  ];
}

function keyOf({ target, unit, step }: { target?: string; unit?: string; step?: string }): string {
  return JSON.stringify([target, unit, step]);
}
