import { type Diagnostic } from "@lockstep/events";
import type { Look } from "./look.ts";
import { placeText, safeText } from "./text.ts";

/** What is known beside a diagnostic. */
export interface DiagnosticStory {
  /** What the step behind it does; a check's answer is then told line by line. */
  readonly stepText?: string | undefined;
}

/** An error or warning as people read it: the code, where it happened, what is wrong, what to do. */
export function renderDiagnostic(
  diagnostic: Diagnostic,
  look: Look,
  { stepText }: DiagnosticStory = {},
): string {
  const { severity, code, message } = diagnostic;
  const hint = hintOf(diagnostic);
  const { style, mark } = look;
  const sign = severity === "error" ? style("red", mark("bad")) : style("yellow", "!");
  const place = placeText(diagnostic);
  const [head = "", ...rest] = answerLines(message, stepText) ?? message.split("\n").map(safeText);
  return [
    `${sign} ${style("bold", safeText(code))}  ${place === "" ? "" : `${place}: `}${head}`,
    ...rest.map((line) => `  ${line}`),
    ...(hint === undefined ? [] : [`  ${style("dim", mark("next"))} ${safeText(hint)}`]),
  ].join("\n");
}

/** The same in one line, for people who read it beside a program's output. */
export function renderDiagnosticLine(diagnostic: Diagnostic): string {
  const { code, message } = diagnostic;
  const place = placeText(diagnostic);
  return safeText(`${code}  ${place === "" ? "" : `${place}: `}${message}`);
}

/** The message of a failed check, taken apart; undefined for every other message. */
function answerLines(message: string, stepText: string | undefined): string[] | undefined {
  const begin = `${stepText ?? ""}: wanted `;
  if (stepText === undefined || !message.startsWith(begin)) return undefined;
  const [, wanted, found] = /^(.*), found (.*)\.$/s.exec(message.slice(begin.length)) ?? [];
  if (wanted === undefined || found === undefined) return undefined;
  return [safeText(stepText), `wanted  ${safeText(wanted)}`, `found   ${safeText(found)}`];
}

const ISSUES = "https://github.com/lockstep-deploy/lockstep/issues";

/** What nobody expected is a bug, of Lockstep or of a plugin, and somebody wants to know. */
function hintOf({ code, hint }: Diagnostic): string | undefined {
  return code === "UNEXPECTED" && hint === undefined
    ? `This is a bug, here or in the plugin. Report it with the output of --events: ${ISSUES}`
    : hint;
}
