import type { Status } from "@lockstep/core";
import { refText } from "./live.ts";
import { safeText, tableText } from "./text.ts";

/** What is live on every unit, whether that is what was deployed, and who holds the environment. */
export function renderStatus(status: Status): string {
  const { environment, release, live, drift, releases, diagnostics } = status;
  const rows = Object.entries(live).flatMap(([target, units]) =>
    units.map(({ unit, ref }) => {
      const differs = drift.find((one) => one.target === target && one.unit === unit);
      const note = differs === undefined ? "" : `drift: deployed was ${refText(differs.wanted)}`;
      return [target, unit ?? "", refText(ref), releases[target] ?? "", note];
    }),
  );
  const unread = diagnostics.map(({ target = "", unit = "", code }) => [
    target,
    unit,
    "?",
    releases[target] ?? "",
    `could not be read: ${code}`,
  ]);
  const all = [...rows, ...unread].map((row) => row.map(safeText));
  const deployed =
    release === undefined ? "nothing was deployed with this store" : `release ${release}`;
  return [
    `${safeText(`${environment}: ${deployed}`)}\n`,
    ...openRunLines(status),
    all.length === 0
      ? ""
      : `\n${tableText([["TARGET", "UNIT", "LIVE", "DEPLOYED", "NOTE"], ...all])}`,
  ].join("");
}

function openRunLines({ openRun }: Status): string[] {
  if (openRun === undefined) return [];
  const { run, user, machine, url, since, released } = openRun;
  const page = url === undefined ? "" : `, ${url}`;
  const what = released ? "unfinished run" : "run going on, or killed";
  return [`${safeText(`${what}: ${run}, by ${user} on ${machine} since ${since}${page}`)}\n`];
}
