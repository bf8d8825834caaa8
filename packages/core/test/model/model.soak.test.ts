import { describe, expect, it } from "vitest";
import { loadWithout } from "./ablated.ts";
import { ABLATIONS } from "./ablations.ts";
import { realEngine } from "./engine.ts";
import { SCRIPTS } from "./faults.ts";
import { INVARIANTS } from "./invariants.ts";
import {
  CALM,
  crashes,
  edits,
  randoms,
  stops,
  type Sweep,
  Tally,
  zombieRecovers,
  zombies,
} from "./sweep.ts";

const HOUR_MS = 3_600_000;
const ALL = Object.keys(SCRIPTS);
const OPEN = ["write intent", "apply memory.activate/1 b", "write decision", "write run.end"];

const SWEEPS: readonly (readonly [string, Sweep])[] = [
  ["asleep anywhere, awake anywhere in what took over", zombies([CALM, "check fails"])],
  ["asleep in a recover, awake anywhere in the next", zombieRecovers([CALM], { before: OPEN })],
  ["changed under its hands anywhere", edits(ALL)],
  ["told to stop anywhere", stops(ALL)],
  ["disturbed at random", randoms(1, 20_000)],
];

describe("the protocol, exhaustively", () => {
  const noticed = new Set<string>();

  it.each(SWEEPS)("holds when a deploy is %s", { timeout: HOUR_MS }, async (name, sweep) => {
    const tally = new Tally(realEngine);

    await sweep(tally);

    process.stdout.write(`model, ${name}: ${String(tally)}\n`);
    expect(tally.told()).toBe("");
  });

  it.each(ABLATIONS)("is broken without $without", { timeout: HOUR_MS }, async (ablation) => {
    await using engine = await loadWithout(ablation);
    const tally = new Tally(engine);

    await crashes([CALM, "check fails"], { twice: false })(tally);
    await zombies([CALM], { before: OPEN, kinds: ["freeze"] })(tally);
    await edits([CALM])(tally);
    await randoms(1, 500)(tally);

    process.stdout.write(`model without ${ablation.without}: ${String(tally)}\n`);
    for (const name of tally.byInvariant.keys()) noticed.add(name);
    expect([...tally.byInvariant.keys()]).toContain(ablation.breaks);
  });

  it("has no invariant that never notices anything", () => {
    expect([...noticed].toSorted()).toEqual(Object.keys(INVARIANTS).toSorted());
  });
});
