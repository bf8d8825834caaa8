import type { RunJob } from "../../src/index.ts";
import type { Verb } from "./command.ts";
import type { Script } from "./faults.ts";

/** What happens to a process, or around it, before one of its operations. */
export interface Cue {
  /** Operations of this process that came through before. */
  readonly at: number;
  /**
   * `pause` stops the process, `freeze` its whole machine with all clocks; `wake` lets the process that was
   * paused first go on.
   */
  readonly do: "crash" | "pause" | "freeze" | "wake" | "stop" | "edit a" | "edit b" | "edit c";
}

/** One command, begun when the one before has ended, crashed or was paused. */
export interface Line {
  readonly verb: Verb;
  readonly cues?: readonly Cue[];
  readonly onStop?: RunJob["onStop"];
}

/** Everything that decides what happens: the same schedule plays the same way. */
export interface Schedule {
  /** Name in {@link SCRIPTS}, or a script of its own. */
  readonly faults: string | Script;
  /** Orders operations that wait at the same time; absent: first come, first served. */
  readonly seed?: number;
  readonly lines: readonly Line[];
}

/** The schedule that the environment wants played again; undefined when it wants none. */
export function scheduleIn(
  env: Readonly<Record<string, string | undefined>>,
): Schedule | undefined {
  const text = env["LOCKSTEP_SCHEDULE"];
  return text === undefined ? undefined : (JSON.parse(text) as Schedule);
}
