import type { MemoryUnit } from "@lockstep/testkit";
import type { Engine } from "./engine.ts";
import type { Schedule } from "./schedule.ts";
import { type Base, Stage } from "./stage.ts";
import { lineOf, type Story } from "./story.ts";
import { UNITS, type World } from "./world.ts";

/** What became of a schedule. */
export interface Played {
  readonly story: Story;
  readonly world: World;
  /** Labels of the operations of every process, in order. */
  readonly labels: readonly (readonly string[])[];
  /** Processes that waited for something that never comes. */
  readonly stuck: readonly number[];
  /** To be called once everything was looked at: what killed processes still do then has no meaning. */
  end(): void;
}

/** Plays a schedule, wakes whoever still sleeps, heals all faults and has the rest recovered. */
export async function play(engine: Engine, schedule: Schedule): Promise<Played> {
  const stage = new Stage(engine, schedule, await baseOf(engine));
  for (const line of schedule.lines) await stage.run(line);
  await stage.wakeAll();
  stage.world.faults.heal();
  for (let tries = 0; tries < 2 && stage.isOpen; tries += 1) await stage.run({ verb: "recover" });
  if (!stage.isOpen) await stage.run({ verb: "recover" });
  await stage.run({ verb: "deploy last" });
  const { world, labels, stuck } = stage;
  return { world, story: world.story, labels, stuck, end: () => stage.end() };
}

/** The story of a schedule as people read it. */
export function tell({ story }: Played): string {
  return story.facts.map(lineOf).join("\n");
}

/** Kept per engine, which is one and the same for all schedules of a sweep. */
const bases = new WeakMap<Engine, Promise<Base>>();

/** Release one is live everywhere and zero was before; deployed once per engine, copied for every schedule. */
function baseOf(engine: Engine): Promise<Base> {
  const known = bases.get(engine);
  if (known !== undefined) return known;
  const fresh = (): MemoryUnit => ({ live: null, releases: {}, past: [] });
  const empty = {
    units: Object.fromEntries(UNITS.map((name) => [name, fresh()])),
    values: new Map(),
  };
  const stage = new Stage(engine, { faults: {}, lines: [] }, empty);
  const base = stage
    .run({ verb: "deploy oldest" })
    .then(() => stage.run({ verb: "deploy first" }))
    .then(() => stage.world);
  bases.set(engine, base);
  return base;
}
