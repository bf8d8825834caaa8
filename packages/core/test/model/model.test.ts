import { describe, expect, it } from "vitest";
import { loadWithout } from "./ablated.ts";
import { ABLATIONS } from "./ablations.ts";
import { realEngine } from "./engine.ts";
import { evidenceOf } from "./evidence.ts";
import { violationsOf } from "./invariants.ts";
import { play, tell } from "./play.ts";
import { scheduleIn } from "./schedule.ts";
import { CALM, crashes, edits, randoms, randomSchedule, stops, Tally, zombies } from "./sweep.ts";

const again = scheduleIn(process.env);
const seed = Number(process.env["LOCKSTEP_SEED"] ?? Date.now() % 1_000_000);
const RANDOM = 1000;

/** A change by hand at every operation of a deploy that succeeds, and of one that is put back. */
const EDITS = edits([CALM, "check fails"], ["edit b"]);

/** Sleeps just before what matters: a pointer move, and the decision. */
const SLEEPERS = zombies([CALM], {
  before: ["apply memory.activate/1 b", "write decision"],
  kinds: ["freeze"],
  ways: ["recover", "deploy next"],
});

const CRASHES = crashes([CALM], { twice: false });

const SAMPLES = {
  edits: EDITS,
  sleepers: SLEEPERS,
  crashes: CRASHES,
  anything: randoms(1, 30),
};

describe("the protocol", () => {
  it(`holds in ${RANDOM} random schedules from seed ${seed}`, { timeout: 300_000 }, async () => {
    const tally = new Tally(realEngine);

    await randoms(seed, RANDOM)(tally);

    process.stdout.write(`model: ${String(tally)}, LOCKSTEP_SEED=${seed}\n`);
    expect(tally.told()).toBe("");
  });

  it(
    "holds wherever a deploy is killed, changed under its hands, stopped or overtaken",
    { timeout: 300_000 },
    async () => {
      const tally = new Tally(realEngine);

      await CRASHES(tally);
      await EDITS(tally);
      await stops([CALM], ["recover"])(tally);
      await SLEEPERS(tally);

      process.stdout.write(`model: ${String(tally)}\n`);
      expect(tally.told()).toBe("");
      expect(tally.schedules).toBeGreaterThan(500);
    },
  );

  it.each(ABLATIONS)(
    "is seen to be broken without $without",
    { timeout: 300_000 },
    async (ablation) => {
      await using engine = await loadWithout(ablation);
      const tally = new Tally(engine);

      await SAMPLES[ablation.shownBy](tally);

      process.stdout.write(`model without ${ablation.without}: ${String(tally)}\n`);
      expect([...tally.byInvariant.keys()]).toContain(ablation.breaks);
    },
  );

  it("plays the same schedule the same way, byte for byte", async () => {
    const schedule = randomSchedule(seed);

    const first = await play(realEngine, schedule);
    const second = await play(realEngine, schedule);

    expect(second.story).toEqual(first.story);
    expect(second.labels).toEqual(first.labels);
  });

  it("holds in the schedule that LOCKSTEP_SCHEDULE names, or in a deploy that nothing disturbs", async () => {
    const played = await play(realEngine, again ?? { faults: CALM, lines: [{ verb: "deploy" }] });

    if (again !== undefined) process.stdout.write(`${tell(played)}\n`);
    expect(violationsOf(evidenceOf(played))).toEqual([]);
  });
});
