// One part of a run in a process of its own, which is killed at a point. What it was about to apply, and what it
// saw before, goes to stdout before it is done: all that a journal would know.
import { writeSync } from "node:fs";
import process from "node:process";
import type { Json } from "@lockstep/plugin";
import { TargetDriver } from "../target-driver.ts";
import type { CrashModule } from "./crash-sweep.ts";
import { points } from "./points.ts";
import type { CrashJob } from "./scene.ts";

const job = JSON.parse(process.argv[2] ?? "") as CrashJob;
const { default: open } = (await import(job.module)) as { readonly default: CrashModule };
const secrets = Object.fromEntries(job.secrets.map((name) => [name, process.env[name] ?? ""]));
const made = await open(job.state);
const world = { ...made, secrets, build: async () => {}, observe: async () => null };
const driver = await TargetDriver.connect(world);
driver.take(job.run);
points.at = job.at;

switch (job.part) {
  case "fence":
    points.armed = true;
    await driver.fence();
    break;
  case "deploy":
    for (const phase of ["stage", "activate"] as const) {
      for (const seen of await driver.inspect(job.plan, phase)) {
        tell({ seen: seen as unknown as Json });
        points.armed = true;
        await driver.applyOne(seen);
        points.armed = false;
      }
    }
    break;
  case "undo":
    points.armed = true;
    await driver.revert(job.steps);
    break;
  case "retire":
    points.armed = true;
    await driver.retire(job.plan);
    break;
  default:
    throw new Error(`There is no ${String(job.part)}.`);
}
points.armed = false;
tell({ points: points.passed });
await driver[Symbol.asyncDispose]();

function tell(fact: Json): void {
  writeSync(1, `${JSON.stringify(fact)}\n`);
}
