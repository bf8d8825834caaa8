import { checkConfig, type Config } from "@lockstep/config";
import type { Release } from "@lockstep/plugin";
import type { Outcome, RunJob } from "../../src/index.ts";
import type { Engine } from "./engine.ts";
import type { Process } from "./scheduler.ts";
import { targetOf } from "./target.ts";
import { storeOf, UNITS, type World } from "./world.ts";

/** A command of the model. */
export type Verb = keyof typeof CONTENTS;

/** What the source holds while a command runs: a recover must not care. */
const CONTENTS = {
  "deploy oldest": "zero",
  "deploy first": "one",
  deploy: "two",
  "deploy next": "three",
  "deploy last": "four",
  rollback: "three",
  recover: "three",
  "recover forward": "three",
  "recover accept": "three",
  "recover skip b": "three",
} as const;

/** How a command is given. */
export interface Command {
  readonly verb: Verb;
  readonly process: Process;
  readonly stop: AbortSignal;
  readonly onStop: RunJob["onStop"];
}

/** The config as a process reads it: three targets, the first in a group of its own. */
export function configOf(
  world: World,
  { memoryTarget: make }: Engine,
  { verb, process }: Pick<Command, "verb" | "process">,
): Promise<Config> {
  const content = CONTENTS[verb];
  const targets = UNITS.map((unit) => [unit, targetOf(world, process, { unit, content, make })]);
  const production = {
    store: storeOf(world, process),
    targets: Object.fromEntries(targets) as Record<string, unknown>,
    order: ["a", ["b", "c"]],
  };
  const origin = { file: "lockstep.config.ts", folder: "/nowhere", ci: false };
  return checkConfig({ project: "model", environments: { production } }, origin);
}

/** Runs a command of the engine. */
export function runCommand(
  world: World,
  engine: Engine,
  { verb, process, stop, onStop, config }: Command & { readonly config: Config },
): Promise<Outcome> {
  const job = {
    config,
    environment: "production",
    surroundings: process.surroundings,
    sinks: [(event: object) => world.story.told.push(JSON.stringify(event))],
    stop,
  };
  if (verb === "recover") return engine.recover(job);
  if (verb === "recover forward") return engine.recover({ ...job, how: "forward" });
  const reason = "somebody looked";
  if (verb === "recover accept") return engine.recover({ ...job, how: "accept", reason });
  if (verb === "recover skip b") return engine.recover({ ...job, skip: ["b"], reason });
  if (verb === "rollback") return engine.rollback({ ...job, onStop });
  const release: Release = { id: `r-${CONTENTS[verb]}`, createdAt: "2026-11-21T00:00:00Z" };
  return engine.deploy({ ...job, onStop, release });
}
