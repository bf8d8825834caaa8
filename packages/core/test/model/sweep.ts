import type { Verb } from "./command.ts";
import type { Engine } from "./engine.ts";
import { evidenceOf } from "./evidence.ts";
import { type Script, SCRIPTS } from "./faults.ts";
import { violationsOf } from "./invariants.ts";
import { play, type Played, tell } from "./play.ts";
import type { Cue, Line, Schedule } from "./schedule.ts";
import { chooser } from "./scheduler.ts";

/** How many schedules were played and which broke an invariant. */
export class Tally {
  schedules = 0;
  /** Schedules in which something was wrong. */
  violations = 0;
  /** In how many schedules each invariant was broken. */
  readonly byInvariant: Map<string, number> = new Map();
  /** The first schedule that broke each invariant, told in full, with what to set to play it again. */
  readonly firsts: Map<string, string> = new Map();
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Plays one schedule and checks every invariant. */
  async check(schedule: Schedule): Promise<Played> {
    const played = await play(this.#engine, schedule);
    const violations = violationsOf(evidenceOf(played));
    played.end();
    this.schedules += 1;
    if (violations.length === 0) return played;
    this.violations += 1;
    for (const name of new Set(violations.map((text) => text.slice(0, text.indexOf(":"))))) {
      this.byInvariant.set(name, (this.byInvariant.get(name) ?? 0) + 1);
      if (this.firsts.has(name)) continue;
      const again = `Play it again: LOCKSTEP_SCHEDULE='${JSON.stringify(schedule)}'`;
      this.firsts.set(name, [...violations, tell(played), again].join("\n"));
    }
    return played;
  }

  /** The first schedule that broke each invariant, for the message of a failed test; empty when all held. */
  told(): string {
    return [...this.firsts.values()].join("\n\n");
  }

  /** `24,124 schedules, 0 violations`, and which. */
  toString(): string {
    const broken = [...this.byInvariant].map(([name, count]) => `${name} ${count}`).join(", ");
    const count = this.schedules.toLocaleString("en");
    return `${count} schedules, ${this.violations.toLocaleString("en")} with violations${broken === "" ? "" : ` (${broken})`}`;
  }
}

/** Ways to go on after a crash. */
export const WAYS: readonly Verb[] = ["recover", "recover forward"];

const EDITS = ["edit a", "edit b", "edit c"] as const;

/** A sweep: plays every schedule of its kind. */
export type Sweep = (tally: Tally) => Promise<void>;

/** Every crash point × every way to go on × every second crash point × an edit by hand between, or none. */
export function crashes(scripts: readonly string[], { twice }: { readonly twice: boolean }): Sweep {
  return async (tally) => {
    for (const faults of scripts) {
      const whole = await tally.check({ faults, lines: [{ verb: "deploy" }] });
      for (const at of effectsIn(whole, 0)) {
        for (const way of WAYS) await crashOnce(tally, { faults, at, way, twice });
        await tally.check({
          faults,
          lines: [{ verb: "deploy", cues: [{ at, do: "crash" }] }, { verb: "deploy next" }],
        });
      }
    }
  };
}

interface CrashPoint {
  readonly faults: string;
  readonly at: number;
  readonly way: Verb;
  readonly twice: boolean;
}

async function crashOnce(tally: Tally, { faults, at, way, twice }: CrashPoint): Promise<void> {
  const crashed: Line = { verb: "deploy", cues: [{ at, do: "crash" }] };
  for (const edit of [undefined, ...EDITS]) {
    const byHand: Cue[] = edit === undefined ? [] : [{ at: 0, do: edit }];
    const once = await tally.check({ faults, lines: [crashed, { verb: way, cues: byHand }] });
    // A script that struck nobody plays as if nothing failed, and that is swept anyhow.
    if (faults !== CALM && once.world.faults.struck === 0) return;
    if (!twice || edit === "edit a" || edit === "edit c") continue;
    for (const again of effectsIn(once, 1)) {
      const second: Line = { verb: way, cues: [...byHand, { at: again, do: "crash" }] };
      // Whichever way was interrupted, the last word may be to go back.
      for (const verb of new Set<Verb>([way, "recover"]))
        await tally.check({ faults, lines: [crashed, second, { verb }] });
    }
  }
}

/** The script in which nothing goes wrong. */
export const CALM = "nothing fails";

/** Where and how a process falls asleep. */
export interface Sleep {
  /** Labels of the operations before which it sleeps; absent: all that write. */
  readonly before?: readonly string[];
  readonly kinds?: readonly ("pause" | "freeze")[];
  readonly ways?: readonly Verb[];
}

/** A paused deploy wakes at every point of the process that took over from it, or after the next deploy. */
export function zombies(
  scripts: readonly string[],
  { before, kinds = ["pause", "freeze"], ways = WAYS }: Sleep = {},
): Sweep {
  return async (tally) => {
    for (const faults of scripts) {
      const whole = await tally.check({ faults, lines: [{ verb: "deploy" }] });
      const sleeps = effectsIn(whole, 0, before).flatMap((at) =>
        kinds.map((kind): Line => ({ verb: "deploy", cues: [{ at, do: kind }] })),
      );
      for (const asleep of sleeps)
        for (const verb of ways) await wakeEverywhere(tally, { faults, asleep, verb });
    }
  };
}

/** A deploy is killed, and the recover that comes after is paused and wakes at every point of a second one. */
export function zombieRecovers(scripts: readonly string[], { before }: Sleep = {}): Sweep {
  return async (tally) => {
    for (const faults of scripts) {
      const whole = await tally.check({ faults, lines: [{ verb: "deploy" }] });
      const killed = effectsIn(whole, 0, before).flatMap((at) =>
        WAYS.map((verb): Line[] => [{ verb: "deploy", cues: [{ at, do: "crash" }] }, { verb }]),
      );
      for (const lines of killed) await sleepEverywhere(tally, faults, lines);
    }
  };
}

async function sleepEverywhere(
  tally: Tally,
  faults: string,
  lines: readonly Line[],
): Promise<void> {
  const once = await tally.check({ faults, lines });
  const [crashed, { verb } = { verb: "recover" as const }] = lines;
  for (const at of effectsIn(once, 1)) {
    const asleep: Line = { verb, cues: [{ at, do: "freeze" }] };
    await wakeEverywhere(tally, { faults, ...(crashed && { crashed }), asleep, verb });
  }
}

interface Sleeper {
  readonly faults: string;
  readonly crashed?: Line;
  readonly asleep: Line;
  readonly verb: Verb;
}

async function wakeEverywhere(
  tally: Tally,
  { faults, crashed, asleep, verb }: Sleeper,
): Promise<void> {
  const before = crashed === undefined ? [asleep] : [crashed, asleep];
  const late = await tally.check({ faults, lines: [...before, { verb }] });
  await tally.check({ faults, lines: [...before, { verb }, { verb: "deploy next" }] });
  const count = late.labels[before.length]?.length ?? 0;
  for (let at = 0; at < count; at += 1) {
    await tally.check({ faults, lines: [...before, { verb, cues: [{ at, do: "wake" }] }] });
  }
}

/** Somebody changes a unit by hand before every operation of a deploy. */
export function edits(scripts: readonly string[], kinds: readonly Cue["do"][] = EDITS): Sweep {
  return disturbances(scripts, (at) =>
    kinds.map((edit) => [{ verb: "deploy", cues: [{ at, do: edit }] }]),
  );
}

/** Somebody stops a deploy before every one of its operations. */
export function stops(scripts: readonly string[], ways: readonly Verb[] = WAYS): Sweep {
  return disturbances(scripts, (at) =>
    (["roll-back", "park"] as const).flatMap((onStop) =>
      ways.map((verb): Line[] => [
        { verb: "deploy", onStop, cues: [{ at, do: "stop" }] },
        { verb },
      ]),
    ),
  );
}

function disturbances(scripts: readonly string[], linesAt: (at: number) => Line[][]): Sweep {
  return async (tally) => {
    for (const faults of scripts) {
      const whole = await tally.check({ faults, lines: [{ verb: "deploy" }] });
      const schedules = (whole.labels[0] ?? []).flatMap((_, at) => linesAt(at));
      for (const lines of schedules) await tally.check({ faults, lines });
    }
  };
}

/** Random schedules of consecutive seeds. */
export function randoms(first: number, count: number): Sweep {
  return async (tally) => {
    for (let seed = first; seed < first + count; seed += 1) await tally.check(randomSchedule(seed));
  };
}

/** A schedule of anything at any time, with operations in any order; the same for the same seed. */
export function randomSchedule(seed: number): Schedule {
  const choose = chooser(seed);
  const one = <T>(values: readonly [T, ...T[]]): T => values[choose(values.length)] ?? values[0];
  const cues = (kinds: readonly [Cue["do"], ...Cue["do"][]], most: number): Cue[] =>
    Array.from({ length: choose(most + 1) }, () => ({ at: choose(70), do: one(kinds) }));
  const later: Line[] = Array.from({ length: 1 + choose(3) }, () => ({
    verb: one(["recover", ...WAYS, "deploy next", "rollback", "recover accept", "recover skip b"]),
    cues: cues(["crash", "pause", "freeze", "wake", "wake", ...EDITS], 2),
  }));
  return {
    faults: choose(3) === 0 ? CALM : randomScript(choose),
    seed,
    lines: [
      {
        verb: one(["deploy", "deploy", "deploy", "rollback"]),
        onStop: one(["roll-back", "park"]),
        cues: [
          { at: choose(75), do: one(["crash", "pause", "freeze", "stop", ...EDITS]) },
          ...cues(["crash", "pause", "stop", ...EDITS], 1),
        ],
      },
      ...later,
    ],
  };
}

/** Two scripts at once; what strikes one process only may strike any. */
function randomScript(choose: (count: number) => number): Script {
  const all = Object.values(SCRIPTS);
  const two = [all[choose(all.length)] ?? {}, all[choose(all.length)] ?? {}];
  const only = 1 + choose(3);
  const rules = two.flatMap(({ rules: own = [] }) =>
    own.map((rule) => (rule.only === undefined ? rule : { ...rule, only })),
  );
  const verdict = two.find((script) => script.verdict !== undefined)?.verdict;
  return verdict === undefined ? { rules } : { rules, verdict };
}

/** Operations of a process before which a crash makes a difference: those that write. */
function effectsIn({ labels }: Played, process: number, only?: readonly string[]): number[] {
  const wanted = (label: string): boolean => only?.includes(label) ?? EFFECT.test(label);
  return (labels[process] ?? []).flatMap((label, at) => (wanted(label) ? [at] : []));
}

const EFFECT = /^(write|apply|revert|fence|retire) /;
