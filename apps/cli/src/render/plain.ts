import { type Event, type Phase, type StepResult } from "@lockstep/events";
import type { CheckResult } from "@lockstep/plugin";
import { renderDiagnostic } from "./error.ts";
import type { Look } from "./look.ts";
import { keyOf, linesOf, type RunState } from "./state.ts";
import { bytesText, countText, placeText, safeText, timeText } from "./text.ts";

const TITLES: Readonly<Record<Phase, string>> = {
  plan: "Planning",
  stage: "Staging",
  activate: "Activating",
  verify: "Verifying",
  revert: "Putting back",
  retire: "Retiring",
};

/** What a result adds to the words of its step; a step that went well needs none. */
const WORDS: Readonly<Record<StepResult, string>> = {
  applied: "",
  passed: "",
  retired: "",
  restored: "",
  untouched: "nothing to do",
  left: "kept on purpose",
  inconclusive: "could not be measured",
  conflict: "left alone, somebody changed it",
  failed: "failed",
};

/** The lines that an event adds to the story; they stay. Call it before the state has taken the event in. */
export function renderEvent(state: RunState, event: Event, look: Look): string[] {
  switch (event.type) {
    case "plan.finished":
      return event.targets.map(({ target, changes, steps, bytes }) => {
        const sending = bytes === 0 ? "" : `, ${bytesText(bytes)} to send`;
        const what = `${countText(changes, "change")}, ${countText(steps, "step")}${sending}`;
        return at(target, steps === 0 ? "unchanged" : what, look);
      });
    case "run.started":
      return [
        `Run ${safeText(event.run)}: release ${safeText(event.release)} to ${safeText(event.environment)}.`,
      ];
    case "lease.waiting":
      return look.isLive || state.holder === event.holder
        ? []
        : [`Waiting for run ${safeText(event.holder)}.`];
    case "phase.started":
      return event.steps === 0
        ? []
        : [look.style("bold", `${TITLES[event.phase]}: ${countText(event.steps, "step")}`)];
    case "step.retrying":
      return [
        at(placeText(event), `again, try ${event.attempt + 1}: ${safeText(event.reason)}`, look),
      ];
    case "step.finished":
      return [finished(state, event, look)];
    case "barrier":
      return ["Everything is staged everywhere; pointers move now."];
    case "decision":
      return event.verdict === "abort"
        ? [`Putting everything back: ${safeText(event.reason)}`]
        : [];
    case "check.tried":
      return isLenient(event)
        ? [at(placeText(event), `passed, found ${safeText(event.found ?? "")}`, look)]
        : [];
    case "diagnostic":
      return isPassing(state, event) ? renderDiagnostic(event, look).split("\n") : [];
    case "step.started":
    case "step.progress":
    case "step.log":
    case "finding":
    case "phase.finished":
    case "run.finished":
    case "watch.finished":
      break; // told at the end, while it goes on, or with -v
  }
  return [];
}

/** The lines that only `-v` tells: what plugins log, line by line, and every try of a check. */
export function renderDetails(state: RunState, event: Event, look: Look): string[] {
  if (event.type === "step.log") {
    return linesOf(state, event)
      .lines.filter((line) => line.trim() !== "")
      .map((line) => at(placeText(event), `| ${safeText(line)}`, look));
  }
  if (event.type === "step.finished") {
    const rest = state.partial.get(keyOf(event)) ?? "";
    return rest.trim() === "" ? [] : [at(placeText(event), `| ${safeText(rest)}`, look)];
  }
  if (event.type === "check.tried" && !isLenient(event)) {
    const found = event.found === undefined ? "" : `, found ${safeText(event.found)}`;
    return [at(placeText(event), `${event.status}${found}`, look)];
  }
  return [];
}

/** A warning that the end of the run does not repeat: what was put back is told there. */
function isPassing(
  { phase }: RunState,
  { severity }: Event & { readonly type: "diagnostic" },
): boolean {
  return severity === "warning" && phase !== "revert";
}

/** A check that passes although it found something. */
function isLenient({ status, found }: CheckResult): boolean {
  return status === "pass" && found !== undefined;
}

/** No text from elsewhere can begin a line: a log that is read by a CI system would take it for an order. */
function at(place: string, text: string, { isLive }: Look): string {
  return isLive ? `  ${place}  ${text}` : `[${place}] ${text}`;
}

function finished(
  state: RunState,
  event: Event & { readonly type: "step.finished" },
  look: Look,
): string {
  const { result, ms } = event;
  const text = safeText(state.texts.get(keyOf(event)) ?? event.step ?? "");
  const word = WORDS[result] === "" ? "" : `: ${WORDS[result]}`;
  const line = `${text}${word} ${look.style("dim", `(${sentText(state, event)}${timeText(ms)})`)}`;
  const place = placeText(event);
  return look.isLive ? `${markOf(result, look)} ${place}  ${line}` : `[${place}] ${line}`;
}

function sentText(state: RunState, event: Event & { readonly type: "step.finished" }): string {
  const { bytes } = state.active.get(keyOf(event)) ?? {};
  return bytes === undefined ? "" : `${bytesText(bytes)}, `;
}

function markOf(result: StepResult, { style, mark }: Look): string {
  if (result === "failed" || result === "conflict") return style("red", mark("bad"));
  if (result === "restored") return style("yellow", mark("undone"));
  if (result === "inconclusive") return style("yellow", mark("unknown"));
  if (result === "untouched" || result === "left") return style("dim", mark("nothing"));
  return style("green", mark("good"));
}
