import type { Damage, Stats } from "@lockstep/state";
import { countText, safeText, tableText, timeText } from "./text.ts";

/** The four measures of delivery as a table. */
export function renderStats({
  deploys,
  perWeek,
  leadTimeMs,
  failureRate,
  timeToRestoreMs,
}: Stats): string {
  const orNone = (ms: number | undefined): string => (ms === undefined ? "unknown" : timeText(ms));
  return tableText([
    ["deploys", String(deploys)],
    ["live per week", perWeek.toFixed(1)],
    ["lead time (median)", orNone(leadTimeMs)],
    ["failure rate", `${Math.round(failureRate * 100)} %`],
    ["time to restore (median)", orNone(timeToRestoreMs)],
  ]);
}

/** What a check of all journals found, a line for each that is damaged. */
export function renderDamage(runs: number, damage: readonly Damage[]): string {
  const lines = damage.map(({ run, message }) => safeText(`${run}  ${message}`));
  return [`${countText(runs, "run")} read, ${damage.length} damaged`, ...lines, ""].join("\n");
}
