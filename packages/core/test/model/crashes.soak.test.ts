import { expect, it } from "vitest";
import { realEngine } from "./engine.ts";
import { SCRIPTS } from "./faults.ts";
import { crashes, Tally } from "./sweep.ts";

// In a file of its own, so that it runs beside the other sweeps.
it(
  "the protocol holds when a deploy is killed anywhere, and its recover too",
  { timeout: 3_600_000 },
  async () => {
    const tally = new Tally(realEngine);

    await crashes(Object.keys(SCRIPTS), { twice: true })(tally);

    process.stdout.write(`model, killed anywhere, twice: ${String(tally)}\n`);
    expect(tally.told()).toBe("");
  },
);
