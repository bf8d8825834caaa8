import type { Json, Release, Stamp, TargetPlan } from "@lockstep/plugin";
import { TargetDriver } from "../target-driver.ts";
import type { TargetWorld } from "../target-world.ts";
import { type SeenStep } from "../test-run.ts";

/** The parts of a run that are killed. */
export const PARTS = ["fence", "deploy", "undo", "retire"] as const;

/** A part of a run that is killed. */
export type Part = (typeof PARTS)[number];

/** A world whose target can be made again by another process. */
export interface CrashWorld extends TargetWorld {
  /** What that process needs to know, without secrets: those come to it as {@link TargetWorld.secrets}. */
  readonly state: Json;
}

/** What a process does until it is killed. */
export interface CrashJob {
  readonly module: string;
  readonly state: Json;
  readonly part: Part;
  readonly run: { readonly stamp: Stamp; readonly release: Release };
  readonly plan: TargetPlan;
  readonly steps: readonly SeenStep[];
  readonly at: number;
  /** Names of the variables that hold secrets. */
  readonly secrets: readonly string[];
}

/** What users get of either release. */
export interface Ends {
  readonly old: unknown;
  readonly new: unknown;
}

/** A world with release one live, or two where something is to be undone or retired. */
export interface Scene extends AsyncDisposable {
  readonly driver: TargetDriver;
  readonly world: CrashWorld;
  readonly plan: TargetPlan;
  readonly steps: readonly SeenStep[];
  readonly ends: Ends;
  /** The part as a process does it, killed at a point. */
  job(at: number): CrashJob;
}

/** Where scenes come from. */
export interface Scenery {
  readonly module: string;
  open(): Promise<CrashWorld>;
}

/** Brings a world of its own to where the part begins. */
export async function openScene(scenery: Scenery, part: Part): Promise<Scene> {
  const world = await scenery.open();
  const driver = await TargetDriver.connect(world);
  await world.build("one");
  await driver.deploy();
  const old = await world.observe();
  await world.build("two");
  const stamp = driver.begin();
  const plan = await driver.plan();
  if (part !== "fence") await driver.fence();
  const isDone = part === "undo" || part === "retire";
  const steps = isDone ? await driver.applyAll(plan) : [];
  const ends = { old, new: isDone ? await world.observe() : await seenAfter(scenery) };
  const { module } = scenery;
  const job = { module, state: world.state, part, run: { stamp, release: driver.release } };
  const secrets = Object.keys(world.secrets ?? {});
  return {
    driver,
    world,
    plan,
    steps,
    ends,
    job: (at) => ({ ...job, plan, steps, at, secrets }),
    [Symbol.asyncDispose]: () => driver[Symbol.asyncDispose](),
  };
}

const after = new WeakMap<Scenery, unknown>();

/** What users get of release two, from a deploy that nothing disturbs. */
async function seenAfter(scenery: Scenery): Promise<unknown> {
  if (after.has(scenery)) return after.get(scenery);
  await using driver = await TargetDriver.connect(await scenery.open());
  await driver.world.build("one");
  await driver.deploy();
  await driver.world.build("two");
  await driver.deploy();
  const seen = await driver.world.observe();
  after.set(scenery, seen);
  return seen;
}
