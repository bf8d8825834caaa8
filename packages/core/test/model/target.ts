import { secret, type Target } from "@lockstep/plugin";
import { type memoryTarget, type MemoryUnit, MemoryWorld } from "@lockstep/testkit";
import type { Process } from "./scheduler.ts";
import { copyOf, type FactOf } from "./story.ts";
import { unitOf, type World } from "./world.ts";

/** The part of the shared world that one target of one process sees. */
class View extends MemoryWorld {
  readonly #units: Record<string, MemoryUnit>;

  constructor(name: string, units: Record<string, MemoryUnit>) {
    super([name]);
    this.#units = units;
  }

  override unit(name: string): MemoryUnit {
    return unitOf(this.#units, name);
  }
}

/** How a process is to see a target: what it would deploy, and which implementation answers. */
export interface TargetWish {
  readonly unit: string;
  readonly content: string;
  readonly make: typeof memoryTarget;
}

/** A target with one unit as one process sees it: every call waits for the scheduler and is noted. */
export function targetOf(
  world: World,
  process: Process,
  { unit, content, make }: TargetWish,
): Target {
  const view = new View(unit, world.units);
  const target = make({ world: view, content, keep: 1 });
  const watch = watching(world, process, view.unit(unit));
  view.answer = (_, live) => world.faults.answer(live?.content ?? "nothing");
  view.on = async (call, time) => {
    const label = call === "plan" ? `plan ${unit}` : call;
    if (time === "after") return watch.after(label);
    await world.scheduler.pass(process, label);
    watch.before(label, unit);
  };
  return {
    ...target,
    connect: async (ctx) => {
      await ctx.secret(secret("TOKEN"));
      return target.connect(ctx);
    },
  };
}

/** Notes calls and what they changed, and lets them fail where the script says so. */
function watching(
  { story, faults }: World,
  process: Process,
  state: MemoryUnit,
): { before(label: string, unit: string): void; after(label: string): void } {
  const by = process.id;
  let from = copyOf(state);
  let called: FactOf<"called"> | undefined;
  return {
    before(call, unit) {
      from = copyOf(state);
      called = { type: "called", by, call, unit, live: from.live, refused: true };
      story.note(called);
      faults.strike(process, call, "before");
    },
    after(call) {
      if (called === undefined) return;
      called.refused = false;
      const to = copyOf(state);
      if (JSON.stringify(from) !== JSON.stringify(to))
        story.note({ type: "changed", by, call, unit: called.unit, from, to });
      faults.strike(process, call, "after");
    },
  };
}
