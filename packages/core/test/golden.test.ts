import { chmod, cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkConfig } from "@lockstep/config";
import { localStore, readHistory, realSurroundings, verifyHistory } from "@lockstep/state";
import { memoryTarget, MemoryWorld } from "@lockstep/testkit";
import { afterEach, describe, expect, it } from "vitest";
import { deploy, readStatus, recover, rollback, type RunJob } from "../src/index.ts";

const made: string[] = [];

afterEach(async () => {
  for (const folder of made.splice(0)) await rm(folder, { recursive: true });
});

/** State and world as version 0.1.0 left them; files that are never made again. */
async function found(name: string): Promise<{ readonly job: RunJob; readonly world: MemoryWorld }> {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-golden-"));
  made.push(folder);
  const golden = join(import.meta.dirname, "golden", name);
  await cp(join(golden, "state"), join(folder, ".lockstep"), {
    recursive: true,
    verbatimSymlinks: true,
  });
  await chmod(join(folder, ".lockstep"), 0o700);
  await cp(join(golden, "world.json"), join(folder, "world.json"));
  const world = new MemoryWorld(["web-1", "web-2"], join(folder, "world.json"));
  const config = await checkConfig(
    {
      project: "shop",
      environments: {
        production: {
          store: localStore({ ttlMs: 2000 }),
          targets: { web: memoryTarget({ world, content: "three", parallel: 1 }) },
        },
      },
    },
    { file: "lockstep.config.ts", folder, ci: false },
  );
  const job: RunJob = {
    config,
    environment: "production",
    surroundings: realSurroundings({}, { user: "ada", machine: "desk" }),
    sinks: [],
    stop: new AbortController().signal,
    onStop: "roll-back",
    lockWaitMs: 60_000,
  };
  return { job, world };
}

const THREE = { release: { id: "v3", createdAt: "2026-11-21T10:00:00.000Z" } };

describe("what version 0.1.0 left", () => {
  it.each([
    ["committed", ["done"]],
    ["aborted", ["rolled-back", "done"]],
    ["parked", ["open", "done"]],
    ["killed", ["open", "done"]],
  ])("%s is read: history, status, every record", async (name, results) => {
    const { job } = await found(name);
    const store = job.config.environments["production"]?.store ?? localStore();

    const history = await readHistory(store, "production", 10);

    expect(history.map(({ result }) => result)).toEqual(results);
    expect(history.at(-1)).toMatchObject({
      kind: "deploy",
      who: { user: "ada", machine: "desk", url: "https://ci.example/jobs/7" },
      message: "golden",
      release: { id: "v1", order: 1_790_000_000 },
    });
    expect(await verifyHistory(store, "production")).toEqual({ runs: results.length, damage: [] });
    const status = await readStatus(job);
    expect(status.openRun === undefined).toBe(results[0] !== "open");
    expect(status.releases).toEqual({ web: "v1" });
  });

  it.each(["parked", "killed"])("%s is put back, and the next deploy works", async (name) => {
    const { job, world } = await found(name);

    const outcome = await recover(job);

    expect(outcome).toMatchObject({ result: "rolled-back", exit: 0, release: "v2" });
    expect(Object.values(world.contents())).toEqual(["one", "one"]);
    expect((await deploy({ ...job, ...THREE })).exit).toBe(0);
  });

  it("killed is gone on with", async () => {
    const { job, world } = await found("killed");

    expect(await recover({ ...job, how: "forward" })).toMatchObject({ result: "done", exit: 0 });
    expect(Object.values(world.contents())).toEqual(["two", "two"]);
  });

  it("aborted keeps its release from being deployed again", async () => {
    const { job } = await found("aborted");
    const again = { release: { id: "v2", createdAt: "2026-11-21T10:00:00.000Z" } };

    await expect(deploy({ ...job, ...again })).rejects.toMatchObject({
      code: "RELEASE_QUARANTINED",
    });
    expect((await deploy({ ...job, ...THREE })).exit).toBe(0);
    expect((await rollback(job)).release).toBe("v1");
  });
});
