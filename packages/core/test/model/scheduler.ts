import type { Surroundings } from "@lockstep/state";

/** A call on its way from a process to a store or a target. */
interface Operation {
  readonly process: Process;
  readonly label: string;
  release(): void;
}

interface Timer {
  readonly process: Process;
  /** On the clock of the process. */
  readonly at: number;
  readonly serial: number;
  fire(): void;
  /** Lets go of the signal that it listens to. */
  forget(): void;
}

/** What a process is doing: only a running one gets its calls through. */
export type ProcessState = "running" | "paused" | "crashed" | "ended";

/** One process of the model: one `lockstep` command with a clock of its own. */
export interface Process {
  readonly id: number;
  readonly surroundings: Surroundings;
  state: ProcessState;
  /** Operations that came through so far. */
  operations: number;
  /** By how much its clock is behind, in milliseconds: it was frozen together with its machine. */
  behindMs: number;
}

/** Timers that may fire in a row without any operation; more is a process that waits for ever. */
const MOST_TIMERS = 200;

/** The secret that every process is given and nobody may see. */
export const SECRET = "open-sesame-4711";

/**
 * Lets one operation at a time through, and moves time only when nobody has anything to do.
 *
 * Every call to a store or a target waits at {@link Scheduler.pass}; with the same choices, the same things
 * happen in the same order.
 */
export class Scheduler {
  readonly processes: Process[] = [];
  /** Picks one of `count` operations that could go next. */
  readonly #choose: (count: number) => number;
  readonly #waiting: Operation[] = [];
  readonly #timers = new Set<Timer>();
  #ms = 1_800_000_000_000;
  #serial = 0;

  constructor(choose: (count: number) => number) {
    this.#choose = choose;
  }

  spawn(): Process {
    const id = this.processes.length + 1;
    const now = (): number => this.#ms - process.behindMs;
    const process: Process = {
      id,
      state: "running",
      operations: 0,
      behindMs: 0,
      surroundings: {
        now,
        monotonic: now,
        random: () => 0.5,
        hex: (length) => `${id}f${(this.#serial += 1)}`.padStart(length, "0").slice(-length),
        sleep: (ms, signal) => this.#sleep(process, ms, signal),
        env: { TOKEN: SECRET },
        who: { user: `process-${id}`, machine: "model" },
      },
    };
    this.processes.push(process);
    return process;
  }

  /** Resolves when the scheduler lets this operation through; never, when its process crashes before. */
  pass(process: Process, label: string): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ process, label, release: resolve });
    });
  }

  /** The operation that would go next, after time has moved to where there is one. */
  async next(runnable: (process: Process) => boolean): Promise<Operation | undefined> {
    for (let timers = 0; timers < MOST_TIMERS; timers += 1) {
      await settled();
      const ready = this.#waiting.filter(({ process }) => runnable(process));
      if (ready.length > 0) return ready[ready.length === 1 ? 0 : this.#choose(ready.length)];
      if (!this.#advance(runnable)) return undefined;
    }
    return undefined;
  }

  /** Lets an operation through; {@link Scheduler.next} awaits what follows from it. */
  perform(operation: Operation): void {
    this.#waiting.splice(this.#waiting.indexOf(operation), 1);
    operation.process.operations += 1;
    operation.release();
  }

  /** Lets go of all timers. */
  end(): void {
    for (const timer of this.#timers) timer.forget();
  }

  /** Time as a machine that never stops sees it, in milliseconds. */
  get ms(): number {
    return this.#ms;
  }

  #sleep(process: Process, ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(reasonOf(signal));
      const stop = (): void => {
        timer.forget();
        reject(reasonOf(signal));
      };
      const timer: Timer = {
        process,
        at: this.#ms - process.behindMs + Math.max(1, ms), // no timer of a real machine is faster
        serial: (this.#serial += 1),
        fire: () => {
          timer.forget();
          resolve();
        },
        forget: () => {
          this.#timers.delete(timer);
          signal?.removeEventListener("abort", stop);
        },
      };
      this.#timers.add(timer);
      signal?.addEventListener("abort", stop, { once: true });
    });
  }

  /** Moves the clock to the next timer of a process that may run; false when there is none. */
  #advance(runnable: (process: Process) => boolean): boolean {
    const due = ({ process, at }: Timer): number => at + process.behindMs;
    const [first] = [...this.#timers]
      .filter(({ process }) => runnable(process))
      .toSorted((a, b) => due(a) - due(b) || a.serial - b.serial);
    if (first === undefined) return false;
    this.#ms = Math.max(this.#ms, due(first));
    first.fire();
    return true;
  }
}

function reasonOf(signal: AbortSignal | undefined): Error {
  return signal?.reason instanceof Error ? signal.reason : new Error("told to stop");
}

/** Resolves when no promise can go on without the scheduler. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** A generator of choices that is the same for the same seed (mulberry32). */
export function chooser(seed: number): (count: number) => number {
  let state = seed >>> 0;
  return (count) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * count);
  };
}
