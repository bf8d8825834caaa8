import { type HistoryEntry } from "@lockstep/state";
import { safeText, tableText, timeText } from "./text.ts";

const HEAD = ["RUN", "WHAT", "RELEASE", "RESULT", "BEGUN", "TOOK", "WHO", "TARGETS", "MESSAGE"];

/** The runs of an environment as a table, in the order given. */
export function renderHistory(environment: string, entries: readonly HistoryEntry[]): string {
  if (entries.length === 0) return `${environment}: no run yet\n`;
  return tableText([HEAD, ...entries.map(rowOf)]);
}

function rowOf(entry: HistoryEntry): string[] {
  const { run, kind, release, result, begunAt, endedAt, who, targets, message = "" } = entry;
  const took = endedAt === undefined ? "" : timeText(Date.parse(endedAt) - Date.parse(begunAt));
  const begun = `${begunAt.slice(0, 19).replace("T", " ")}Z`;
  const actor = `${who.user}@${who.machine}`;
  const row = [run, kind, release.id, result, begun, took, actor, targets.join(","), message];
  return row.map(safeText);
}
