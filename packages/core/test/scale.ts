import { readFileSync } from "node:fs";
import { checkConfig } from "@lockstep/config";
import type { Store } from "@lockstep/plugin";
import { localStore, realSurroundings } from "@lockstep/state";
import { memoryTarget, MemoryWorld } from "@lockstep/testkit";
import { deploy, type RunJob } from "../src/index.ts";

/** A run of many steps, two to undo for each unit, that waits for a recover. */
export async function parkedRun(
  units: number,
  { store, folder = "/nowhere" }: { readonly store: Store; readonly folder?: string },
): Promise<{ readonly job: RunJob; readonly world: MemoryWorld }> {
  const world = new MemoryWorld(Array.from({ length: units }, (_, index) => `unit-${index}`));
  world.answer = () => ({ status: "inconclusive" });
  const targets = { web: memoryTarget({ world, content: "one" }) };
  const config = await checkConfig(
    { project: "shop", environments: { production: { targets, store } } },
    { file: "lockstep.config.ts", folder, ci: false },
  );
  const job: RunJob = {
    config,
    environment: "production",
    surroundings: realSurroundings({}, { user: "ada", machine: "desk" }),
    sinks: [],
    stop: new AbortController().signal,
    onStop: "roll-back",
  };
  const release = { id: "r1", createdAt: "2026-11-21T00:00:00Z" };
  const outcome = await deploy({ ...job, release });
  if (outcome.result !== "inconclusive") throw new Error(`It ended as ${outcome.result}.`);
  return { job, world };
}

// Started as a process of its own: prints the most memory it ever had, in kB.
if (process.argv[2] === "measure") {
  await parkedRun(Number(process.argv[3]), { store: localStore(), folder: process.argv[4] ?? "" });
  // what getrusage tells begins with what the parent held
  const [, peak] = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  process.stdout.write(String(peak));
}
