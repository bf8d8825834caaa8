import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Json, PlanContext, TargetPlan } from "@lockstep/plugin";
import { describe, expect, it } from "vitest";
import { memoryTarget, type MemoryTargetOptions, MemoryWorld, testContext } from "../src/index.ts";

function context(unit?: string): PlanContext<AsyncDisposable> & ReturnType<typeof testContext> {
  const connection = { [Symbol.asyncDispose]: async () => {} };
  const about = unit === undefined ? {} : { unit };
  return { ...testContext(connection, about), connection, outputs: () => undefined };
}

/** Applies all steps of a deploy, as far as they go. */
async function deploy(options: MemoryTargetOptions, release = "r1"): Promise<TargetPlan> {
  const target = memoryTarget(options);
  const ctx = { ...context(), release: { id: release, createdAt: "2026-11-21T00:00:00.000Z" } };
  const plan = await target.plan({ kind: "deploy", release: ctx.release }, ctx);
  for (const { kind, input } of plan.steps) {
    const step = target.steps.find((handler) => handler.kind === kind);
    if (step === undefined) continue;
    const before: Json = await step.inspect(input, ctx);
    await step.apply(input, before, ctx);
  }
  return plan;
}

describe("the memory target", () => {
  it("logs every write that took effect, and no other", async () => {
    const world = new MemoryWorld(["web-1"]);
    await deploy({ world, content: "one" });
    await deploy({ world, content: "one" });

    expect(world.writes).toEqual(["stage web-1 one", "point web-1 one"]);
    expect(world.contents()).toEqual({ "web-1": "one" });
  });

  it("has not applied what a hook refused before, and has applied what it refused after", async () => {
    const world = new MemoryWorld(["web-1"]);
    world.on = (call, when) => {
      if (when === "before" && call === "apply memory.activate/1 web-1") throw new Error("reset");
    };
    await expect(deploy({ world, content: "one" })).rejects.toThrow("reset");
    const refused = world.contents();
    world.on = (call, when) => {
      if (when === "after" && call === "apply memory.activate/1 web-1") throw new Error("reset");
    };
    await expect(deploy({ world, content: "one" })).rejects.toThrow("reset");

    expect([refused, world.contents()]).toEqual([{ "web-1": null }, { "web-1": "one" }]);
  });

  it("calls its hooks around every call, and waits for them", async () => {
    const world = new MemoryWorld(["web-1"]);
    const calls: string[] = [];
    world.on = async (call, when) => {
      await Promise.resolve();
      calls.push(`${when} ${call}`);
    };
    const target = memoryTarget({ world, content: "one" });

    await deploy({ world, content: "one" });
    await target.live(context());
    await target.fence?.({ lineage: "0", epoch: 1, run: "r" }, context());

    expect(calls.filter((call) => call.startsWith("before"))).toEqual([
      "before plan",
      "before inspect memory.stage/1 web-1",
      "before apply memory.stage/1 web-1",
      "before inspect memory.activate/1 web-1",
      "before apply memory.activate/1 web-1",
      "before live web-1",
      "before fence web-1",
    ]);
    expect(calls.filter((call) => call.startsWith("after"))).toHaveLength(7);
  });

  it("tries every unit and tells what failed of each, and reads one unit when asked for one", async () => {
    const world = new MemoryWorld(["web-1", "web-2", "web-3"]);
    const target = memoryTarget({ world, content: "one" });
    world.on = (call) => {
      if (call.endsWith("web-1") || call.endsWith("web-3")) throw new Error(call);
    };

    const failure: unknown = await target.live(context()).catch((error: unknown) => error);

    expect(failure).toBeInstanceOf(AggregateError);
    expect((failure as AggregateError).errors.map(String)).toEqual([
      "Error: live web-1",
      "Error: live web-3",
    ]);
    expect(await target.live(context("web-2"))).toEqual([{ unit: "web-2", ref: null, kept: [] }]);
  });

  it("is shared by all worlds on one file", async () => {
    const folder = mkdtempSync(join(tmpdir(), "lockstep-world-"));
    const file = join(folder, "world.json");
    const here = new MemoryWorld(["web-1"], file);
    const there = new MemoryWorld(["web-1"], file);

    await deploy({ world: here, content: "one" });
    const plan = await deploy({ world: there, content: "one" });
    there.edit("web-1", "fix");
    const later = new MemoryWorld(["web-1"], file);
    rmSync(folder, { recursive: true });

    expect(plan.steps).toEqual([]);
    expect(there.writes).toEqual(["stage web-1 one", "point web-1 one"]);
    expect(later.contents()).toEqual({ "web-1": "fix" });
  });
});
