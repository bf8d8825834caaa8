import process from "node:process";
import type { Json, Release, Stamp, Target, TargetPlan } from "@lockstep/plugin";
import { describe, expect, it } from "vitest";
import { type SeenStep, TargetDriver, type TargetWorld } from "../target-driver.ts";
import { type Killed, runKilled } from "./process.ts";
import { sampleOf } from "./sample.ts";

/** The parts of a run that are killed. */
const PARTS = ["deploy", "undo", "retire"] as const;

/** The default export of the module that makes the target again in another process. */
export type CrashModule = (state: Json) => Promise<{
  readonly target: Target;
  readonly folder: string;
  readonly env?: Readonly<Record<string, string>>;
}>;

/** A world whose target can be made again by another process. */
export interface CrashWorld extends TargetWorld {
  /** What that process needs to know, without secrets. */
  readonly state: Json;
}

/** What is swept, and how much of it. */
export interface CrashSweep {
  /** `file:` URL of the {@link CrashModule}. */
  readonly module: string;
  /** A world of its own for every kill. */
  open(): Promise<CrashWorld>;
  /** Kills in each part; default all points. */
  readonly kills?: number;
  /** Which of the points are taken, when not all. */
  readonly seed?: number;
}

/** What a process does until it is killed. */
export interface CrashJob {
  readonly module: string;
  readonly state: Json;
  readonly part: (typeof PARTS)[number];
  readonly run: { readonly stamp: Stamp; readonly release: Release };
  readonly plan: TargetPlan;
  readonly steps: readonly SeenStep[];
  readonly at: number;
}

/**
 * Kills a process with SIGKILL before and after every single write that a plugin makes, to a socket, a pipe or a
 * file, while it stages and activates, while it puts back, and while it retires. Each time another process takes
 * over: users must get the old release or the new one and nothing else, putting back must lead to the old one,
 * and a deploy afterwards to the new one.
 *
 * How many points there were, and how many kills, is printed; a point that never came is no kill.
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
export async function sweepPart(
  name: string,
  sweep: CrashSweep,
  part: (typeof PARTS)[number],
): Promise<void> {
  const { points, ends } = await reference(sweep, part);
  const chosen = sampleOf(points, sweep);
  const kills = chosen.flatMap((at) => nextAfter(at, sweep).map((next) => ({ part, at, next })));
  let killed = 0;
  for (const kill of kills) killed += (await killAt(sweep, { ...kill, ends })) ? 1 : 0;
  const text = `${part} has ${points} points; ${killed} of ${kills.length} kills, ${kills.length - killed} inconclusive`;
  process.stdout.write(`${name}: ${text}\n`);

  expect(points).toBeGreaterThan(0);
  // In another order of things a point may never come; when most do not, nothing was shown.
  expect(killed, text).toBeGreaterThanOrEqual(Math.ceil(kills.length * 0.8));
}

/** What users get of either release. */
interface Ends {
  readonly old: unknown;
  readonly new: unknown;
}

interface Kill {
  readonly part: CrashJob["part"];
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

/** The number of points of a part, from a process that is not killed. */
async function reference(
  sweep: CrashSweep,
  part: CrashJob["part"],
): Promise<{ readonly points: number; readonly ends: Ends }> {
  await using scene = await openScene(sweep, part);
  const { facts, exit, said } = await inProcess(scene.job(-1));
  if (exit !== 0) throw new Error(`The process that was not killed ended with ${exit}: ${said}`);
  const points = facts.find((fact) => "points" in fact)?.points ?? 0;
  return { points, ends: scene.ends };
}

/** False when the process ended before its point came. */
async function killAt(sweep: CrashSweep, { part, at, next, ends }: Kill): Promise<boolean> {
  await using scene = await openScene(sweep, part);
  const { driver, world } = scene;
  const { facts, exit } = await inProcess(scene.job(at));
  const where = `${part} killed at ${at}`;
  const begun = facts.flatMap((fact) => (fact.seen === undefined ? [] : [fact.seen]));
  const steps = part === "deploy" ? begun : scene.steps;

  driver.take({ stamp: await driver.recover(), release: driver.release });
  expect([ends.old, ends.new], where).toContainEqual(await world.observe());
  if (part === "retire") {
    await driver.retire(scene.plan);
    expect(await world.observe(), where).toEqual(ends.new);
    return exit === null;
  }
  if (next === "go on") for (const step of steps) await driver.applyOne(step);
  expect(await driver.revert(steps), where).not.toContain("conflict");
  expect(await world.observe(), where).toEqual(ends.old);
  await driver.deploy();
  expect(await world.observe(), where).toEqual(ends.new);
  return exit === null;
}

/** A world with release one live, or two where something is to be undone or retired. */
interface Scene extends AsyncDisposable {
  readonly driver: TargetDriver;
  readonly world: CrashWorld;
  readonly plan: TargetPlan;
  readonly steps: readonly SeenStep[];
  readonly ends: Ends;
  job(at: number): CrashJob;
}

async function openScene(sweep: CrashSweep, part: CrashJob["part"]): Promise<Scene> {
  const world = await sweep.open();
  const driver = await TargetDriver.connect(world);
  await world.build("one");
  await driver.deploy();
  const old = await world.observe();
  await world.build("two");
  const stamp = driver.begin();
  const plan = await driver.plan();
  await driver.fence();
  const steps: SeenStep[] = [];
  if (part !== "deploy")
    for (const phase of ["stage", "activate"] as const)
      steps.push(...(await driver.apply(plan, phase)));
  const run = { stamp, release: driver.release };
  const ends = { old, new: part === "deploy" ? await seenAfter(sweep) : await world.observe() };
  return {
    driver,
    world,
    plan,
    steps,
    ends,
    job: (at) => ({ module: sweep.module, state: world.state, part, run, plan, steps, at }),
    [Symbol.asyncDispose]: () => driver[Symbol.asyncDispose](),
  };
}

const after = new WeakMap<CrashSweep, unknown>();

/** What users get of release two, from a deploy that nothing disturbs. */
async function seenAfter(sweep: CrashSweep): Promise<unknown> {
  if (after.has(sweep)) return after.get(sweep);
  await using driver = await TargetDriver.connect(await sweep.open());
  await driver.world.build("one");
  await driver.deploy();
  await driver.world.build("two");
  await driver.deploy();
  const seen = await driver.world.observe();
  after.set(sweep, seen);
  return seen;
}

interface Fact {
  readonly seen?: SeenStep;
  readonly points?: number;
}

function inProcess(job: CrashJob): Promise<Killed<Fact>> {
  return runKilled<Fact>("child", job);
}
