import { expect, it } from "vitest";
import { realEngine } from "./engine.ts";
import { SCRIPTS } from "./faults.ts";
import { crashes, Tally } from "./sweep.ts";

// In a file of its own, so that it runs beside the other sweeps; a test for each script, so that each has its count.
it.each(Object.keys(SCRIPTS))(
  "the protocol holds when a deploy is killed anywhere, and its recover too: %s",
  { timeout: 7_200_000 },
  async (script) => {
    const tally = new Tally(realEngine);

    await crashes([script], { twice: true })(tally);

    process.stdout.write(`model, killed anywhere, twice: ${script}: ${String(tally)}\n`);
    expect(tally.told()).toBe("");
  },
);
