import { readFileSync, renameSync, writeFileSync } from "node:fs";
import type { CheckResult, Live, Stamp } from "@lockstep/plugin";

/** A release of a memory target: its name and what users get from it. */
export type MemoryRef = { readonly release: string; readonly content: string };

/** One unit: a pointer, what it could point at, and the stamp that guards it. */
export interface MemoryUnit {
  live: MemoryRef | null;
  /** Staged releases by name, with the run that staged them. */
  readonly releases: Record<string, { readonly ref: MemoryRef; readonly run: string }>;
  /** What was live before, the latest first. */
  past: MemoryRef[];
  stamp?: Stamp;
}

/** When a hook is called: before the effect (throwing means not applied) or after it (a lost reply). */
export type HookTime = "before" | "after";

/**
 * All that a memory target is about: its units, a log of every write, and hooks for faults.
 *
 * With a file it is loaded before and saved after every call, so that processes can share it.
 */
export class MemoryWorld {
  /** Every change that took effect, in order: `stage web-1 two`, `point web-1 two`. */
  readonly writes: string[] = [];
  /** Called around every call of the target: `apply memory.activate/1 web-1`, `live web-1`. */
  on: (call: string, time: HookTime) => void | Promise<void> = () => {};
  /** What checks answer. */
  answer: (unit: string, live: MemoryRef | null) => CheckResult = () => ({ status: "pass" });
  readonly #units: Record<string, MemoryUnit> = {};
  readonly #file: string | undefined;

  constructor(names: readonly string[], file?: string) {
    for (const name of names) this.#units[name] = { live: null, releases: {}, past: [] };
    this.#file = file;
    this.#load();
  }

  get names(): readonly string[] {
    return Object.keys(this.#units);
  }

  /** The unit itself: changes to it are changes to the world. */
  unit(name: string): MemoryUnit {
    const unit = this.#units[name];
    if (unit === undefined) throw new Error(`There is no unit ${name}.`);
    return unit;
  }

  /** What users get, by unit. */
  contents(): Record<string, string | null> {
    this.#load();
    return Object.fromEntries(
      this.names.map((name) => [name, this.unit(name).live?.content ?? null]),
    );
  }

  /** What a target says of a unit. */
  live(name: string): Live {
    const { live, past, releases, stamp } = this.unit(name);
    const kept = past.filter(({ release }) => releases[release] !== undefined);
    return { unit: name, ref: live, kept, ...(stamp === undefined ? {} : { stamp }) };
  }

  /** Moves a pointer and remembers where it was. */
  point(name: string, ref: MemoryRef | null): void {
    const unit = this.unit(name);
    const others = [...(unit.live === null ? [] : [unit.live]), ...unit.past];
    unit.past = others.filter(
      ({ release }) => release !== ref?.release && unit.releases[release] !== undefined,
    );
    unit.live = ref;
    this.writes.push(`point ${name} ${ref?.content ?? "nothing"}`);
  }

  /** Somebody else changes what is live. */
  edit(name: string, content: string): void {
    this.#load();
    this.unit(name).live = { release: "foreign", content };
    this.#save();
  }

  /** Runs one call between its hooks. */
  async call<T>(name: string, body: () => T): Promise<T> {
    await this.on(name, "before");
    this.#load();
    const result = body();
    this.#save();
    await this.on(name, "after");
    return result;
  }

  #load(): void {
    if (this.#file === undefined) return;
    try {
      const { units, writes } = JSON.parse(readFileSync(this.#file, "utf8")) as {
        readonly units: Record<string, MemoryUnit>;
        readonly writes: readonly string[];
      };
      Object.assign(this.#units, units);
      this.writes.splice(0, Infinity, ...writes);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    }
  }

  #save(): void {
    if (this.#file === undefined) return;
    const next = `${this.#file}.next`;
    writeFileSync(next, JSON.stringify({ units: this.#units, writes: this.writes }));
    renameSync(next, this.#file);
  }
}
