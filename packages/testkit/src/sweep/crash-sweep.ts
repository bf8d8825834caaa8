import process from "node:process";
import type { Json, Target } from "@lockstep/plugin";
import { describe, expect, it } from "vitest";
import { mustFail } from "../claims.ts";
import { searchForSecrets } from "../secrets.ts";
import type { SeenStep } from "../test-run.ts";
import { judge, type MayMiss, strikeAt } from "./inconclusive.ts";
import { type Killed, runKilled } from "./process.ts";
import { sampleOf } from "./sample.ts";
import { type Ends, openScene, type Part, PARTS, type Scene, type Scenery } from "./scene.ts";

/** The default export of the module that makes the target again in another process. */
export type CrashModule = (state: Json) => Promise<{
  readonly target: Target;
  readonly folder: string;
  readonly env?: Readonly<Record<string, string>>;
}>;

/** What is swept, and how much of it: the module is the `file:` URL of a {@link CrashModule}. */
export interface CrashSweep extends Scenery {
  /** Kills in each part; default all points. */
  readonly kills?: number;
  /** Which of the points are taken, when not all. */
  readonly seed?: number;
  /** Kills whose point may never come; default none. */
  readonly mayMiss?: MayMiss;
}

/**
 * Kills a process with SIGKILL before and after every single write that a plugin makes, to a socket, a pipe or a
 * file, while it fences, while it stages and activates, while it puts back, and while it retires. Each time
 * another process takes over: users must get the old release or the new one and nothing else, putting back must
 * lead to the old one, and a deploy afterwards to the new one. A fence that was killed can be fenced again by the
 * same run, and by the next, after which the old run is refused. No process says a secret of its world.
 *
 * How many points there were, how many kills came, and how many showed nothing is printed.
 */
export function describeCrashSweep(name: string, sweep: CrashSweep): void {
  describe(`${name}, killed anywhere`, () => {
    it.each(PARTS)(
      "in its %s, is taken over by another process",
      { timeout: 3_600_000 },
      async (part) => {
        await expect(sweepPart(name, sweep, part)).resolves.toBeUndefined();
      },
    );
  });
}

/** Kills one part of a run at its points. Rejects with what was wrong after one of them. */
export async function sweepPart(name: string, sweep: CrashSweep, part: Part): Promise<void> {
  const found = await reference(sweep, part);
  if (found === undefined) {
    process.stdout.write(`${name}: ${part}: inconclusive: nothing fences this target\n`);
    return;
  }
  const { points, ends } = found;
  expect(points, `writes in ${part}`).toBeGreaterThan(0);
  const chosen = sampleOf(points, sweep);
  const kills = chosen.flatMap((at) => nextAfter(at, sweep).map((next) => ({ part, at, next })));
  let struck = 0;
  for (const kill of kills) {
    const once = (at: number): Promise<boolean> => killAt(sweep, { ...kill, at, ends });
    struck += (await strikeAt(kill.at, sweep.mayMiss, once)) ? 1 : 0;
  }
  const what = `${name}: ${part} has ${points} points; kills`;
  process.stdout.write(`${judge({ what, tried: kills.length, struck }, sweep.mayMiss)}\n`);
}

interface Kill {
  readonly part: Part;
  readonly at: number;
  /** What the process does that takes over. */
  readonly next: "go on" | "put back";
  readonly ends: Ends;
}

/** All ways to take over in a full sweep; in a sample, points before and after writes get either. */
function nextAfter(at: number, { kills }: CrashSweep): Kill["next"][] {
  if (kills === undefined) return ["go on", "put back"];
  return [(at + Math.floor(at / 2)) % 2 === 0 ? "go on" : "put back"];
}

/** The number of points of a part, from a process that is not killed; undefined when there is no such part. */
async function reference(
  sweep: CrashSweep,
  part: Part,
): Promise<{ readonly points: number; readonly ends: Ends } | undefined> {
  await using scene = await openScene(sweep, part);
  if (part === "fence" && scene.world.target.traits.fencing === "none") return undefined;
  const { facts, exit, said } = await inProcess(scene, -1);
  if (exit !== 0) throw new Error(`The process that was not killed ended with ${exit}: ${said}`);
  const points = facts.find((fact) => "points" in fact)?.points ?? 0;
  return { points, ends: scene.ends };
}

/** False when the process ended before its point came. */
async function killAt(sweep: CrashSweep, kill: Kill): Promise<boolean> {
  await using scene = await openScene(sweep, kill.part);
  const { facts, exit } = await inProcess(scene, kill.at);
  const where = `${kill.part} killed at ${kill.at}`;
  if (kill.part === "fence") await takeFence(scene, kill, where);
  else await takeOver(scene, { ...kill, begun: facts.flatMap(({ seen }) => seen ?? []) }, where);
  searchForSecrets(scene.world, scene.driver.seen);
  return exit === null;
}

/** A fence that was killed is fenced again, by the same run or by one that takes over. */
async function takeFence(
  { driver, world, plan }: Scene,
  { next, ends }: Kill,
  where: string,
): Promise<void> {
  expect(await world.observe(), where).toEqual(ends.old);
  if (next === "go on") {
    await driver.fence();
    await driver.applyAll(plan);
  } else {
    await driver.overtake();
    await mustFail("FENCED", () => driver.fence(), `${where}, the fence of the run before`);
    expect(await world.observe(), where).toEqual(ends.old);
    await driver.deploy();
  }
  expect(await world.observe(), where).toEqual(ends.new);
}

async function takeOver(
  scene: Scene,
  { part, next, ends, begun }: Kill & { readonly begun: readonly SeenStep[] },
  where: string,
): Promise<void> {
  const { driver, world } = scene;
  const steps = part === "deploy" ? begun : scene.steps;
  driver.take({ stamp: await driver.recover(), release: driver.release });
  expect([ends.old, ends.new], where).toContainEqual(await world.observe());
  if (part === "retire") {
    await driver.retire(scene.plan);
    expect(await world.observe(), where).toEqual(ends.new);
    return;
  }
  if (next === "go on") for (const step of steps) await driver.applyOne(step);
  expect(await driver.revert(steps), where).not.toContain("conflict");
  expect(await world.observe(), where).toEqual(ends.old);
  await driver.deploy();
  expect(await world.observe(), where).toEqual(ends.new);
}

interface Fact {
  readonly seen?: SeenStep;
  readonly points?: number;
}

async function inProcess({ world, job }: Scene, at: number): Promise<Killed<Fact>> {
  const killed = await runKilled<Fact>("child", job(at), world.secrets);
  searchForSecrets(world, [killed.said]);
  return killed;
}
