import { checkConfig } from "@lockstep/config";
import { realSurroundings } from "@lockstep/state";
import { MemoryStore, memoryTarget, MemoryWorld } from "@lockstep/testkit";
import { expect, it } from "vitest";
import { deploy } from "../src/index.ts";

const UNITS = 50; // each with four steps: stage, activate, check, retire

/** Time of the processor, so that a busy machine does not count. */
async function millisecondsPerStep(): Promise<number> {
  const names = Array.from({ length: UNITS }, (_, index) => `web-${index}`);
  const world = new MemoryWorld(names);
  const targets = { web: memoryTarget({ world, content: "one" }) };
  const config = await checkConfig(
    { project: "shop", environments: { production: { targets, store: new MemoryStore() } } },
    { file: "lockstep.config.ts", folder: "/nowhere", ci: false },
  );
  const begun = process.cpuUsage();
  const outcome = await deploy({
    config,
    environment: "production",
    surroundings: realSurroundings({}, { user: "ada", machine: "desk" }),
    sinks: [],
    stop: new AbortController().signal,
    onStop: "roll-back",
    release: { id: "r1", createdAt: "2026-11-21T00:00:00Z" },
  });
  expect(outcome.result).toBe("done");
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1000 / (UNITS * 4);
}

it("spends at most 1 ms per step of 200 on itself, without what a disk needs", async () => {
  const measured: number[] = [];
  for (let round = 0; round < 7; round += 1) measured.push(await millisecondsPerStep());
  const median = measured.toSorted((left, right) => left - right)[3] ?? Infinity;

  process.stdout.write(
    `200 steps: ${median.toFixed(3)} ms of processor time per step (median of 7 runs)\n`,
  );

  expect(median).toBeLessThanOrEqual(1);
});
