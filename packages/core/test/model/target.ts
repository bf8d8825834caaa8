import {
  fenced,
  type Json,
  type Retire,
  secret,
  type Stamp,
  type Step,
  type Target,
} from "@lockstep/plugin";
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
  let stamp: Stamp | undefined;
  const watch = watching(world, process, view.unit(unit));
  view.answer = (_, live) => world.faults.answer(live?.content ?? "nothing");
  view.on = async (call, time) => {
    const label = call === "plan" ? `plan ${unit}` : call;
    if (time === "after") return watch.after(label);
    await world.scheduler.pass(process, label);
    watch.before(label, unit);
    if (WRITE.test(label)) refuseOlder(unit, stamp, view.unit(unit).stamp);
  };
  const bearing = (next: Stamp): void => {
    stamp = next;
  };
  return {
    ...target,
    steps: target.steps.map((step) => stamped(step, bearing)),
    retires: (target.retires ?? []).map((retire) => stampedRetire(retire, bearing)),
    connect: async (ctx) => {
      await ctx.secret(secret("TOKEN"));
      return target.connect(ctx);
    },
  };
}

const WRITE = /^(apply|revert|retire) /;

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

/** `fence` asks that every write of an older run is refused, not only that of the pointer. */
function refuseOlder(unit: string, ours: Stamp | undefined, found: Stamp | undefined): void {
  if (ours === undefined || found === undefined || found.epoch <= ours.epoch) return;
  throw fenced(`memory://${unit}`, { ours: ours.epoch, found: found.epoch });
}

type Bearing = (stamp: Stamp) => void;
type AnyStep = Step<Json, Json, Json, AsyncDisposable>;

function stamped(step: AnyStep, bearing: Bearing): AnyStep {
  const revert = step.revert?.bind(step);
  return {
    ...step,
    apply(input, before, ctx) {
      bearing(ctx.stamp);
      return step.apply(input, before, ctx);
    },
    ...(revert && {
      revert(input, before, ctx) {
        bearing(ctx.stamp);
        return revert(input, before, ctx);
      },
    }),
  };
}

function stampedRetire(
  retire: Retire<Json, AsyncDisposable>,
  bearing: Bearing,
): Retire<Json, AsyncDisposable> {
  return {
    ...retire,
    retire(input, ctx) {
      bearing(ctx.stamp);
      return retire.retire(input, ctx);
    },
  };
}
