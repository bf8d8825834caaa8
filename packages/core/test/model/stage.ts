import type { Config } from "@lockstep/config";
import type { Stored } from "@lockstep/plugin";
import type { MemoryUnit } from "@lockstep/testkit";
import { configOf, runCommand } from "./command.ts";
import type { Engine } from "./engine.ts";
import { Faults, SCRIPTS } from "./faults.ts";
import type { Cue, Line, Schedule } from "./schedule.ts";
import { chooser, type Process, Scheduler } from "./scheduler.ts";
import { copiesOf, Story } from "./story.ts";
import { editByHand, type World } from "./world.ts";

/** What a schedule starts from. */
export interface Base {
  readonly units: Readonly<Record<string, MemoryUnit>>;
  readonly values: ReadonlyMap<string, Stored>;
}

/** Operations after which a schedule counts as endless. */
const MOST_OPERATIONS = 1000;

/** Where the processes of one schedule run. */
export class Stage {
  readonly world: World;
  readonly labels: string[][] = [];
  readonly stuck: number[] = [];
  readonly #engine: Engine;
  readonly #seeded: boolean;
  readonly #casts: Cast[] = [];

  constructor(engine: Engine, { faults, seed }: Schedule, base: Base) {
    const script = typeof faults === "string" ? SCRIPTS[faults] : faults;
    if (script === undefined) throw new Error(`There is no script ${JSON.stringify(faults)}.`);
    const units = copiesOf(base.units);
    this.#engine = engine;
    this.#seeded = seed !== undefined;
    this.world = {
      units,
      values: new Map(base.values),
      story: new Story(units),
      scheduler: new Scheduler(seed === undefined ? () => 0 : chooser(seed)),
      faults: new Faults(script),
    };
  }

  /** True while the lease says that a run is to be recovered. */
  get isOpen(): boolean {
    const lease = this.world.values.get("leases/production");
    if (lease === undefined) return false;
    return (JSON.parse(Buffer.from(lease.body).toString("utf8")) as { open: boolean }).open;
  }

  /** Runs one command until it has ended, crashed or was paused. */
  async run(line: Line): Promise<void> {
    const process = this.world.scheduler.spawn();
    const config = await configOf(this.world, this.#engine, { verb: line.verb, process });
    await this.#drive(this.#begin(process, line, config));
  }

  /** Lets everybody who sleeps go on to the end. */
  async wakeAll(): Promise<void> {
    for (const cast of this.#casts) {
      while (cast.process.state === "paused" || cast.process.state === "running") {
        if (cast.process.state === "paused") this.#wake(cast);
        await this.#drive(cast);
      }
    }
  }

  /** Lets go of all that killed processes were waiting for: Node keeps a signal while it is listened to. */
  end(): void {
    this.world.scheduler.end();
    for (const { stop } of this.#casts) stop.abort(new Error("the schedule is over"));
  }

  #begin(process: Process, line: Line, config: Config): Cast {
    const { world } = this;
    const stop = new AbortController();
    const cast: Cast = { process, cues: [...(line.cues ?? [])], stop, frozenAt: undefined };
    this.#casts.push(cast);
    this.labels.push([]);
    world.story.note({ type: "began", by: process.id, verb: line.verb });
    const end = (result: string, said: string): void => {
      if (process.state === "crashed") return;
      process.state = "ended";
      world.story.note({ type: "ended", by: process.id, result, said });
    };
    const { verb, onStop = "roll-back" } = line;
    const command = { verb, process, stop: stop.signal, onStop, config };
    runCommand(world, this.#engine, command).then(
      (outcome) => end(outcome.result, JSON.stringify(outcome.diagnostics)),
      (error: unknown) => end(codeOf(error), error instanceof Error ? error.message : ""),
    );
    return cast;
  }

  /** Lets operations through until this process has ended or stands still. */
  async #drive(cast: Cast): Promise<void> {
    const { scheduler } = this.world;
    const runnable = (process: Process): boolean =>
      process.state === "running" && (this.#seeded || process === cast.process);
    for (let count = 0; cast.process.state === "running"; count += 1) {
      const operation = count < MOST_OPERATIONS ? await scheduler.next(runnable) : undefined;
      if (cast.process.state !== "running") return;
      if (operation === undefined) {
        this.stuck.push(cast.process.id);
        cast.process.state = "crashed";
        return;
      }
      const actor = this.#castOf(operation.process);
      if (await this.#cue(actor)) continue;
      this.labels[actor.process.id - 1]?.push(operation.label);
      scheduler.perform(operation);
    }
  }

  /** Does what the schedule wants done now; true when it did something. */
  async #cue(cast: Cast): Promise<boolean> {
    const { process, cues, stop } = cast;
    const index = cues.findIndex(({ at }) => at === process.operations);
    const [cue] = index < 0 ? [] : cues.splice(index, 1);
    if (cue === undefined) return false;
    if (cue.do === "crash") this.#halt(process, "crashed");
    if (cue.do === "stop") {
      this.world.story.note({ type: "told to stop", by: process.id });
      stop.abort(new Error("told to stop"));
    }
    if (cue.do === "pause" || cue.do === "freeze") {
      this.#halt(process, "paused");
      cast.frozenAt = cue.do === "freeze" ? this.world.scheduler.ms : undefined;
    }
    if (cue.do.startsWith("edit")) editByHand(this.world, cue.do.slice(5));
    const sleeper = this.#casts.find((other) => other.process.state === "paused");
    if (cue.do === "wake" && sleeper !== undefined) {
      this.#wake(sleeper);
      if (!this.#seeded) await this.#drive(sleeper);
    }
    return true;
  }

  #halt(process: Process, state: "crashed" | "paused"): void {
    process.state = state;
    this.world.story.note({ type: state, by: process.id });
  }

  #wake({ process, frozenAt }: Cast): void {
    if (frozenAt !== undefined) process.behindMs += this.world.scheduler.ms - frozenAt;
    process.state = "running";
    this.world.story.note({ type: "woken", by: process.id });
  }

  #castOf(process: Process): Cast {
    const cast = this.#casts[process.id - 1];
    if (cast === undefined) throw new Error(`There is no process ${process.id}.`);
    return cast;
  }
}

/** A process and what the schedule still wants of it. */
interface Cast {
  readonly process: Process;
  readonly cues: Cue[];
  readonly stop: AbortController;
  /** When its clocks were frozen; undefined while they run. */
  frozenAt: number | undefined;
}

function codeOf(error: unknown): string {
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
