import type { TargetFinding } from "../examined.ts";
import { type Look, PLAIN } from "./look.ts";
import { countText, placeText, safeText } from "./text.ts";

const MARKS = { ok: "good", warn: "unknown", fail: "bad" } as const;

/** What targets found, under the name of each, with what to do about it; the last line counts. */
export function renderFindings(findings: readonly TargetFinding[], look: Look = PLAIN): string {
  const lines: string[] = [];
  let last: string | undefined;
  for (const finding of findings) {
    const place = placeText(finding);
    if (place !== last) lines.push(look.style("bold", place));
    last = place;
    lines.push(`  ${look.mark(MARKS[finding.level])} ${safeText(finding.text)}`);
    if (finding.fix !== undefined) lines.push(`    ${look.mark("next")} ${safeText(finding.fix)}`);
  }
  return [...lines, countOf(findings)].map((line) => `${line}\n`).join("");
}

function countOf(findings: readonly TargetFinding[]): string {
  const count = (level: TargetFinding["level"]): number =>
    findings.filter((finding) => finding.level === level).length;
  if (findings.length === 0) return "These targets have nothing to look at.";
  return `${countText(count("ok"), "thing")} in order, ${countText(count("warn"), "warning")}, ${countText(count("fail"), "problem")}.`;
}
