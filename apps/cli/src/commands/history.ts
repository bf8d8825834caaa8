import { EXIT, type HistoryEntry, readHistory } from "@lockstep/core";
import { open } from "../open.ts";
import type { RunCommand } from "../program.ts";
import { tableText, timeText } from "../render/text.ts";

/** `lockstep history`: the runs, the newest first. */
export const runHistory: RunCommand = async (invocation) => {
  const { shell, flags } = invocation;
  const { environment } = await open(invocation);
  const entries = await readHistory(environment.store, environment.name, flags.limit ?? 20);
  if (flags.output !== "text") shell.out(`${JSON.stringify(entries)}\n`);
  else if (entries.length === 0) shell.out(`${environment.name}: no run yet\n`);
  else
    shell.out(
      tableText([
        ["RUN", "WHAT", "RELEASE", "RESULT", "BEGUN", "TOOK", "WHO", "TARGETS"],
        ...entries.map(row),
      ]),
    );
  return EXIT.done;
};

function row(entry: HistoryEntry): string[] {
  const { run, kind, release, result, begunAt, endedAt, who, targets } = entry;
  const took = endedAt === undefined ? "" : timeText(Date.parse(endedAt) - Date.parse(begunAt));
  const begun = `${begunAt.slice(0, 19).replace("T", " ")}Z`;
  return [
    run,
    kind,
    release.id,
    result,
    begun,
    took,
    `${who.user}@${who.machine}`,
    targets.join(","),
  ];
}
