import { EXIT, readStatus, type Status } from "@lockstep/core";
import { open } from "../open.ts";
import type { RunCommand } from "../program.ts";
import { renderDiagnostic } from "../render/diagnostic.ts";
import { refText } from "../render/outcome.ts";
import { createStyle } from "../render/style.ts";
import { tableText } from "../render/text.ts";

/** `lockstep status`: what is live on every target. */
export const runStatus: RunCommand = async (invocation) => {
  const { shell, flags } = invocation;
  const status = await readStatus((await open(invocation)).job);
  if (flags.output === "text") shell.out(renderStatus(status));
  else shell.out(`${JSON.stringify(status)}\n`);
  for (const diagnostic of status.diagnostics) {
    shell.err(`${renderDiagnostic(diagnostic, createStyle(shell))}\n`);
  }
  if (status.diagnostics.length > 0) return EXIT.preflight;
  return flags.detailedExitCode === true && status.drift.length > 0 ? EXIT.drift : EXIT.done;
};

function renderStatus(status: Status): string {
  const { environment, release, openRun, live, drift, releases } = status;
  const rows = Object.entries(live).flatMap(([target, units]) =>
    units.map(({ unit, ref }) => {
      const drifted = drift.find((one) => one.target === target && one.unit === unit);
      const note = drifted === undefined ? "" : `drift: deployed was ${refText(drifted.wanted)}`;
      return [target, unit ?? "", refText(ref), releases[target] ?? "", note];
    }),
  );
  const holder =
    openRun === undefined
      ? ""
      : `${openRun.run} (${openRun.user} on ${openRun.machine}, since ${openRun.since})`;
  return [
    `${environment}: ${release === undefined ? "nothing was deployed with this store" : `release ${release}`}\n`,
    openRun === undefined
      ? ""
      : `${openRun.released ? "unfinished run" : "run going on, or killed"}: ${holder}\n`,
    rows.length === 0 ? "" : `\n${tableText([["TARGET", "UNIT", "LIVE", "RELEASE", ""], ...rows])}`,
  ].join("");
}
