import type { Diagnostic } from "@lockstep/core";
import type { Style } from "./style.ts";
import { placeText, safeText } from "./text.ts";

/** An error or warning as people read it: what, where, what to do. */
export function renderDiagnostic(diagnostic: Diagnostic, style: Style): string {
  const { severity, code, message, hint } = diagnostic;
  const mark = severity === "error" ? style("red", "✖") : style("yellow", "!");
  const place = placeText(diagnostic);
  const lines = message.split("\n").map(safeText);
  const head = `${mark} ${style("bold", code)}  ${place === "" ? "" : `${place}: `}${lines[0] ?? ""}`;
  const rest = lines.slice(1).map((line) => `  ${line}`);
  const help = hint === undefined ? [] : [`  ${style("dim", "→")} ${safeText(hint)}`];
  return [head, ...rest, ...help].join("\n");
}
