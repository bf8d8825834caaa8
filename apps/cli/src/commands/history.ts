import { EXIT } from "@lockstep/events";
import { readHistory } from "@lockstep/state";
import { open } from "../open.ts";
import type { RunCommand } from "../program.ts";
import { renderHistory } from "../render/history.ts";

/** `lockstep history`: the runs, the newest first. */
export const runHistory: RunCommand = async (invocation) => {
  const { shell, flags } = invocation;
  const { environment } = await open(invocation);
  const { store, name } = environment;
  const entries = await readHistory(store, name, flags.limit ?? 20);
  const shown = entries.filter(
    ({ targets }) =>
      flags.target === undefined || flags.target.some((one) => targets.includes(one)),
  );
  shell.out(flags.output === "text" ? renderHistory(name, shown) : `${JSON.stringify(shown)}\n`);
  return EXIT.done;
};
