import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { MemoryStore } from "@lockstep/testkit";
import { expect, it } from "vitest";
import { recover } from "../src/index.ts";
import { parkedRun } from "./scale.ts";

const UNITS = 5000; // each with two steps that are put back

it("recovers a run of 10,000 steps within a second of processor time", async () => {
  const store = new MemoryStore();
  const { job, world } = await parkedRun(UNITS, { store });
  store.killAll();
  const journal = new Map(store.values);
  const units = world.names.map((name) => [name, structuredClone(world.unit(name))] as const);
  const measured: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    store.values.clear();
    for (const [key, value] of journal) store.values.set(key, value);
    for (const [name, unit] of units) Object.assign(world.unit(name), structuredClone(unit));

    const begun = process.cpuUsage();
    const outcome = await recover(job);
    const { user, system } = process.cpuUsage(begun);

    expect(outcome).toMatchObject({ result: "rolled-back", exit: 0 });
    measured.push((user + system) / 1000);
  }
  const median = measured.toSorted((left, right) => left - right)[1] ?? Infinity;
  process.stdout.write(`recover of 10,000 steps: ${median.toFixed(0)} ms (median of 3)\n`);

  expect(median).toBeLessThanOrEqual(1000);
}, 60_000);

it("needs at most 24 MB more for every further 1,000 steps", async () => {
  const [few, many] = [await peakOf(500), await peakOf(UNITS)];
  const growth = ((many - few) * 1.024) / ((UNITS - 500) * 2);
  process.stdout.write(`peak memory: ${growth.toFixed(1)} MB for every further 1,000 steps\n`);

  expect(growth).toBeLessThanOrEqual(24);
}, 240_000);

/** The most memory, in kB, that a run over so many units ever had. */
async function peakOf(units: number): Promise<number> {
  // Memory is measured, not the disk.
  const folder = await mkdtemp(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "lockstep-"));
  try {
    const script = join(import.meta.dirname, "scale.ts");
    const words = ["--conditions=@lockstep/source", script, "measure", String(units), folder];
    const { stdout } = await promisify(execFile)(process.execPath, words);
    return Number(stdout);
  } finally {
    await rm(folder, { recursive: true });
  }
}
