import { EXIT } from "@lockstep/events";
import { readHistory, statsOf, verifyHistory } from "@lockstep/state";
import { usage } from "../errors.ts";
import { open } from "../open.ts";
import type { Invocation, RunCommand } from "../program.ts";
import { renderHistory } from "../render/history.ts";
import { renderDamage, renderStats } from "../render/stats.ts";

/** `lockstep history`: the runs, the newest first; or what they amount to; or whether they can be read. */
export const runHistory: RunCommand = async (invocation) => {
  const { flags } = invocation;
  if (flags.verify === true && flags.stats === true)
    throw usage("--verify and --stats are two questions: ask one.");
  if (flags.verify === true) return verify(invocation);
  return flags.stats === true ? tellStats(invocation) : list(invocation);
};

async function list(invocation: Invocation): Promise<number> {
  const { flags } = invocation;
  const { environment } = await open(invocation);
  const { store, name } = environment;
  const entries = await readHistory(store, name, flags.limit ?? 20);
  const shown = entries.filter(
    ({ targets }) =>
      flags.target === undefined || flags.target.some((one) => targets.includes(one)),
  );
  return answer(invocation, shown, renderHistory(name, shown));
}

async function tellStats(invocation: Invocation): Promise<number> {
  const { environment, job } = await open(invocation);
  const entries = await readHistory(environment.store, environment.name, Infinity);
  const stats = statsOf(entries, job.surroundings.now());
  return answer(invocation, stats, renderStats(stats));
}

async function verify(invocation: Invocation): Promise<number> {
  const { environment } = await open(invocation);
  const { runs, damage } = await verifyHistory(environment.store, environment.name);
  answer(invocation, { runs, damage }, renderDamage(runs, damage));
  return damage.length === 0 ? EXIT.done : EXIT.preflight;
}

function answer({ shell, flags }: Invocation, document: object, text: string): number {
  shell.out(flags.output === "text" ? text : `${JSON.stringify(document)}\n`);
  return EXIT.done;
}
