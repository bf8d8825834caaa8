import { checkConfig } from "@lockstep/config";
import { type Live, LockstepError } from "@lockstep/plugin";
import { openJournal, readHistory, unlock } from "@lockstep/state";
import { MemoryStore, memoryTarget, MemoryWorld } from "@lockstep/testkit";
import { beforeEach, describe, expect, it } from "vitest";
import { apply, deploy, planDeploy, recover, rollback, type RunJob } from "../src/index.ts";
import { contents, Rig } from "./rig.ts";

let rig: Rig;

beforeEach(async () => {
  rig = new Rig();
  await deploy(await rig.job("one"));
});

const AT_MOVE = "before apply memory.activate/1 web-2";

describe("two processes", () => {
  it("cannot both recover: one holds the run, the other is told who", async () => {
    await rig.killedAt(AT_MOVE, async () => deploy(await rig.job("two")));
    const at = "before revert memory.activate/1 web-1";
    const first = await rig.sleepAt(at, async () => recover(await rig.job("two")));

    await expect(recover(await rig.job("two"))).rejects.toMatchObject({ code: "LEASE_HELD" });
    first.wake();

    expect(await first.run).toMatchObject({ result: "rolled-back", exit: 0 });
    expect(contents(rig)).toBe("one one one");
  });

  it("with stores of their own are told apart, also with equal epochs", async () => {
    const other = new Rig();
    await deploy(await other.job("x"));
    rig.store = other.store;
    const writes = rig.world.writes.length;

    await expect(deploy(await rig.job("two"))).rejects.toMatchObject({ code: "FOREIGN_LINEAGE" });
    expect(rig.world.writes.length).toBe(writes);
  });

  it("that deploy at once: one runs, the other names the holder", async () => {
    const at = "before apply memory.stage/1 web-1";
    const first = await rig.sleepAt(at, async () => deploy(await rig.job("two")));

    await expect(deploy(await rig.job("three"))).rejects.toMatchObject({
      code: "LEASE_HELD",
      message: expect.stringContaining("production-000002-") as string,
    });
    first.wake();
    expect((await first.run).exit).toBe(0);
  });

  it("of which one was unlocked: it stops before its next write, and its run is recovered", async () => {
    const at = "before apply memory.stage/1 web-1";
    const first = await rig.sleepAt(at, async () => deploy(await rig.job("two")));
    const { surroundings } = await rig.job("two");
    const where = { store: rig.store, environment: "production", surroundings };

    const taken = await unlock({ ...where, reason: "runner lost" });
    const recovered = await recover(await rig.job("two"));
    first.wake();

    expect(taken).toMatchObject({ epoch: 3, open: true, unlocked: { reason: "runner lost" } });
    expect(recovered).toMatchObject({ result: "failed", exit: 0 });
    expect(await first.run).toMatchObject({ result: "fenced", exit: 35 });
    expect(contents(rig)).toBe("one one one");
    expect((await deploy(await rig.job("three"))).exit).toBe(0);
  });
});

describe("a process with a clock of its own", () => {
  const at = "before apply memory.activate/1 web-2";

  /** Nothing but its renewals tells whether another process lives, as between machines. */
  function onOtherMachines(): void {
    const { values } = rig.store;
    rig.store = Object.assign(new MemoryStore({ ttlMs: 9000, values }), { presence: undefined });
  }

  it("that is years ahead takes nothing from a holder that lives", async () => {
    onOtherMachines();
    const first = await rig.sleepAt(at, async () => deploy(await rig.job("two")));
    const { surroundings, ...job } = await rig.job("three");
    const ahead = { ...surroundings, now: () => surroundings.now() + 10 * 365 * 86_400_000 };

    const early = recover({ ...job, surroundings: ahead, lockWaitMs: 300 });
    await expect(early).rejects.toMatchObject({ code: "LEASE_HELD" });
    first.wake();

    expect((await first.run).exit).toBe(0);
    expect(contents(rig)).toBe("two two two");
  });

  it("that runs a thousand times too fast takes the run over, and the holder writes nothing more", async () => {
    onOtherMachines();
    const first = await rig.sleepAt(at, async () => deploy(await rig.job("two")));
    const { surroundings, ...job } = await rig.job("three");
    const fast = {
      ...surroundings,
      monotonic: () => surroundings.monotonic() * 1000,
      sleep: (ms: number, signal?: AbortSignal) => surroundings.sleep(ms / 1000, signal),
    };

    const taken = await recover({ ...job, surroundings: fast, lockWaitMs: 600_000 });
    first.wake();

    expect(taken).toMatchObject({ result: "rolled-back", exit: 0 });
    expect(await first.run).toMatchObject({ result: "fenced", exit: 35 });
    expect(contents(rig)).toBe("one one one");
  });
});

describe("a store that is lost between runs", () => {
  it("is noticed before any write, and adopted only when told", async () => {
    rig.store = new MemoryStore();

    await expect(deploy(await rig.job("two"))).rejects.toMatchObject({ code: "FOREIGN_LINEAGE" });
    const adopted = await deploy({ ...(await rig.job("two")), adopt: true });

    expect(adopted.exit).toBe(0);
    expect((await deploy(await rig.job("two"))).result).toBe("unchanged");
    // A run of the lost store that wakes up is refused by the targets' stamps, whose epochs go on.
    expect(rig.world.unit("web-1").stamp?.epoch).toBe(2);
  });
});

describe("targets of a lost store that hold the release already", () => {
  it("are stamped by a run without steps when told to adopt, and are ours from then on", async () => {
    rig.store = new MemoryStore();
    const writes = rig.world.writes.length;

    const adopted = await deploy({ ...(await rig.job("one")), adopt: true });

    expect(adopted).toMatchObject({ result: "done", exit: 0 });
    expect(rig.world.writes.slice(writes)).toEqual([]);
    expect(rig.world.unit("web-3").stamp?.epoch).toBe(2);
    expect(await deploy(await rig.job("one"))).toMatchObject({ result: "unchanged", exit: 0 });
    expect((await deploy({ ...(await rig.job("one")), adopt: true })).result).toBe("unchanged");
    expect((await deploy(await rig.job("two"))).exit).toBe(0);
    expect((await rollback(await rig.job("two"))).exit).toBe(0);
    expect(contents(rig)).toBe("one one one");
  });
});

describe("a process that slept", () => {
  it("through the first deploy ever, and a recover, cannot make anything live", async () => {
    rig = new Rig();
    const zombie = await rig.sleepAt(AT_MOVE, async () => deploy(await rig.job("one")));
    rig.store.killAll();
    await recover(await rig.job("one"));

    zombie.wake();

    expect(await zombie.run).toMatchObject({ result: "fenced", exit: 35 });
    expect(Object.values(rig.world.contents())).toEqual([null, null, null]);
  });

  it("while it put staged things back cannot take what a newer run committed under the same name", async () => {
    const job = await rig.job("two");
    rig.world.answer = (_, live) => ({ status: live?.content === "two" ? "fail" : "pass" });
    const at = "before revert memory.stage/1 web-3";
    const zombie = await rig.sleepAt(at, async () => deploy({ ...job, release: NAMED }));
    rig.store.killAll();
    await recover(await rig.job("two"));
    rig.world.answer = () => ({ status: "pass" });
    const newer = await deploy({ ...job, release: { ...NAMED, id: "v2b" } });

    zombie.wake();
    await zombie.run;

    expect(newer.exit).toBe(0);
    expect(contents(rig)).toBe("two two two");
    for (const name of rig.world.names) expect(rig.world.unit(name).releases["v2b"]).toBeDefined();
  });

  it("before its first record finds that its run was closed", async () => {
    const at = "before plan";
    const zombie = await rig.sleepAt(at, async () => deploy(await rig.job("two")));
    rig.store.killAll();
    await recover(await rig.job("two"));

    zombie.wake();

    await expect(zombie.run).rejects.toMatchObject({
      code: expect.stringMatching(/RUN_FENCED|LEASE_LOST/) as string,
    });
    expect(contents(rig)).toBe("one one one");
  });
});

const DOWN = new LockstepError({ code: "DOWN", message: "web-1 is down.", unit: "web-1" });

const NAMED = { id: "v2", createdAt: "2026-11-21T00:00:00Z" };

describe("a call that its run gave up", () => {
  it("and that lands after everything was put back, is refused", async () => {
    let land: () => void = () => {};
    const landed = new Promise<void>((resolve) => {
      land = resolve;
    });
    const at = "apply memory.activate/1 web-2";
    // The reply is lost at once, and the request itself goes on.
    rig.world.on = async (call, when) => {
      if (call !== at || when === "after") return;
      rig.world.on = () => {};
      await landed;
    };
    const job = await rig.job("two");
    const web = job.config.environments["production"]?.targets["web"];
    const step = web?.steps.find(({ kind }) => kind === "memory.activate/1");
    if (web === undefined || step === undefined) throw new Error("no step");
    const late: Promise<unknown>[] = [];
    const impatient = {
      ...step,
      apply: async (...call: Parameters<typeof step.apply>) => {
        const real = step.apply(...call);
        if ((call[0] as { unit: string }).unit !== "web-2") return real;
        late.push(real.catch((error: unknown) => error));
        throw DOWN;
      },
    };
    const others = web.steps.filter(({ kind }) => kind !== step.kind);
    const config = await checkConfig(
      {
        project: "shop",
        environments: {
          production: {
            store: rig.store,
            targets: { web: { ...web, steps: [...others, impatient] } },
          },
        },
      },
      { file: "lockstep.config.ts", folder: "/nowhere", ci: false },
    );

    const outcome = await deploy({ ...job, config });
    land();

    expect(outcome).toMatchObject({ result: "rolled-back", exit: 31 });
    expect(await Promise.all(late)).toMatchObject([{ code: "FENCED" }]);
    expect(contents(rig)).toBe("one one one");
  });
});

describe("somebody who changes a unit by hand", () => {
  it("while the run stages is not overwritten: nothing moves, exit 30", async () => {
    const at = "before apply memory.stage/1 web-3";
    const slow = await rig.sleepAt(at, async () => deploy(await rig.job("two")));
    rig.world.edit("web-2", "fix");
    slow.wake();

    const outcome = await slow.run;

    expect(outcome).toMatchObject({ result: "failed", exit: 30 });
    expect(outcome.diagnostics[0]).toMatchObject({ code: "LIVE_MOVED", unit: "web-2" });
    expect(contents(rig)).toBe("one fix one");
    expect((await deploy(await rig.job("two"))).exit).toBe(0);
  });

  it("before the last wave is not overwritten; the rest is put back", async () => {
    const waves = { "web-1": 0, "web-2": 0, "web-3": 1 };
    const at = "before apply memory.activate/1 web-3";
    const slow = await rig.sleepAt(at, async () => deploy(await rig.job("two", { waves })));
    rig.world.edit("web-3", "fix");
    slow.wake();

    expect(await slow.run).toMatchObject({ exit: 32 });
    expect(contents(rig)).toBe("one one fix");
  });
});

describe("recover", () => {
  beforeEach(() =>
    rig.killedAt(AT_MOVE, async () => deploy(await rig.job("two", { parallel: 1 }))),
  );

  it("forward moves the pointers that have not, and commits", async () => {
    const outcome = await recover({ ...(await rig.job("two")), how: "forward" });

    expect(outcome).toMatchObject({ result: "done", exit: 0 });
    expect(contents(rig)).toBe("two two two");
    const [newest] = await readHistory(rig.store, "production", 1);
    expect(newest).toMatchObject({ result: "done", release: { id: "r2" } });
  });

  it("forward puts everything back where somebody came between", async () => {
    rig.world.edit("web-3", "fix");

    const outcome = await recover({ ...(await rig.job("two")), how: "forward" });

    expect(outcome.exit).toBe(32);
    expect(contents(rig)).toBe("one one fix");
  });

  it("forward is refused once it was decided to put back", async () => {
    rig.world.on = (call) => {
      if (call.endsWith("web-1") && !call.startsWith("check")) throw new Error("down");
    };
    expect((await recover(await rig.job("two"))).exit).toBe(32);
    rig.world.on = () => {};
    const writes = rig.world.writes.length;

    const forward = recover({ ...(await rig.job("two")), how: "forward" });

    await expect(forward).rejects.toMatchObject({ code: "RECOVER_REFUSED" });
    expect(rig.world.writes.length).toBe(writes);
    expect((await recover(await rig.job("two"))).exit).toBe(0);
    expect(contents(rig)).toBe("one one one");
  });

  it("forward can be killed as well, at any call", async () => {
    for (let point = 0; ; point += 1) {
      rig = new Rig();
      await deploy(await rig.job("one"));
      await rig.killedAt(AT_MOVE, async () => deploy(await rig.job("two", { parallel: 1 })));
      const forward = async (): Promise<unknown> =>
        recover({ ...(await rig.job("two")), how: "forward" });
      const killed = await rig.killAt(point, forward);
      if (!killed) break;

      const outcome = await recover(await rig.job("two"));

      expect(outcome.exit, rig.calls.at(-1)).toBe(0);
      expect(["one one one", "two two two"], rig.calls.at(-1)).toContain(contents(rig));
    }
    expect(rig.calls.length).toBeGreaterThan(30);
  });

  it("accepts nothing while targets serve different releases", async () => {
    const accept = { ...(await rig.job("two")), how: "accept", reason: "x" } as const;

    await expect(recover(accept)).rejects.toMatchObject({ code: "RECOVER_REFUSED" });
  });

  it("is refused before any write when a unit has another name now", async () => {
    const job = await rig.job("two");
    const web = job.config.environments["production"]?.targets["web"];
    if (web === undefined) throw new Error("no target");
    const live = async (...call: Parameters<typeof web.live>): Promise<readonly Live[]> =>
      (await web.live(...call)).map((unit) =>
        unit.unit === "web-2" ? { ...unit, unit: "web-9" } : unit,
      );
    const config = await checkConfig(
      {
        project: "shop",
        environments: { production: { store: rig.store, targets: { web: { ...web, live } } } },
      },
      { file: "lockstep.config.ts", folder: "/nowhere", ci: false },
    );
    const writes = rig.world.writes.length;

    await expect(recover({ ...job, config })).rejects.toMatchObject({ code: "RECOVER_DIFFERS" });
    expect(rig.world.writes.length).toBe(writes);
    expect((await recover(job)).exit).toBe(0);
  });

  it("leaves a unit that is given up, and closes the run", async () => {
    rig.world.on = (call) => {
      if (call.endsWith("web-1") && !call.startsWith("check")) throw DOWN;
    };
    const skip = { skip: ["web/web-1"], reason: "machine replaced" };

    const outcome = await recover({ ...(await rig.job("two")), ...skip });

    expect(outcome).toMatchObject({ result: "rolled-back", exit: 0 });
    expect(outcome.diagnostics.filter(({ severity }) => severity === "error")).toEqual([
      expect.objectContaining({ code: "RUN_INTERRUPTED" }),
    ]);
    rig.world.on = () => {};
    expect((await deploy(await rig.job("three"))).exit).toBe(0);
  });

  it("accepts somebody's hot-fix for good", async () => {
    rig.world.edit("web-1", "fix");
    expect((await recover(await rig.job("two"))).exit).toBe(32);
    const accepted = { how: "accept", reason: "the fix is wanted" } as const;

    const outcome = await recover({ ...(await rig.job("two")), ...accepted });

    expect(outcome).toMatchObject({ result: "accepted", exit: 0 });
    expect(contents(rig)).toBe("fix one one");
    expect((await deploy(await rig.job("three"))).exit).toBe(0);
  });

  it("does not take a run for over whose commit record is torn", async () => {
    await recover(await rig.job("two"));
    await deploy(await rig.job("three"));
    const keys = [...rig.store.values.keys()].filter((key) =>
      key.startsWith("runs/production-000004"),
    );
    const last = keys.toSorted().at(-1) ?? "";
    rig.store.values.set(last, { tag: "t", body: Buffer.from('{"v":1,"seq"') });
    const lease = rig.store.values.get("leases/production");
    const open = {
      ...(JSON.parse(Buffer.from(lease?.body ?? []).toString()) as object),
      open: true,
    };
    rig.store.values.set("leases/production", {
      tag: "u",
      body: Buffer.from(JSON.stringify(open)),
    });

    expect(await recover(await rig.job("three"))).toMatchObject({
      exit: 32,
      diagnostics: [{ code: "JOURNAL_UNREADABLE" }],
    });
    expect(contents(rig)).toBe("three three three");
  });
});

describe("a release", () => {
  it("that is older than the live one is refused, also when it was planned before that went live", async () => {
    const at = (order: number): object => ({ release: { ...NAMED, id: `v${order}`, order } });
    await deploy({ ...(await rig.job("two")), ...at(20) });
    const older = { ...(await rig.job("three")), ...at(10) };

    await expect(deploy(older)).rejects.toMatchObject({ code: "NEWER_IS_LIVE" });
    expect((await deploy({ ...older, allowOlder: true })).exit).toBe(0);
  });

  it("that was rolled back is quarantined, one that was interrupted is not", async () => {
    const named = { release: NAMED };
    await rig.killedAt(AT_MOVE, async () => deploy({ ...(await rig.job("two")), ...named }));
    await recover(await rig.job("two"));
    expect((await deploy({ ...(await rig.job("two")), ...named })).exit).toBe(0);
    await rollback(await rig.job("two"));

    await expect(deploy({ ...(await rig.job("two")), ...named })).rejects.toMatchObject({
      code: "RELEASE_QUARANTINED",
    });
  });
});

describe("a plan", () => {
  it("is not made stale by the stamp of its own run", async () => {
    const job = await rig.job("two");
    const plan = await planDeploy(job);
    await rig.killedAt("before apply memory.stage/1 web-1", async () => deploy(job));
    await recover(await rig.job("two"));

    expect(await apply({ ...(await rig.job("two")), plan })).toMatchObject({ exit: 0 });
    expect(contents(rig)).toBe("two two two");
  });

  it("that was saved is refused when another plugin would run it", async () => {
    const plan = await planDeploy(await rig.job("two"));
    const job = await rig.job("two", { plugin: "@acme/other" });

    await expect(apply({ ...job, plan })).rejects.toMatchObject({ code: "PLAN_STALE" });
  });

  it("of 50,000 changes is made, kept and run", async () => {
    const base = await rig.job("two");
    const target = memoryTarget({ world: rig.world, content: "two" });
    const change = { action: "add", reason: "absent", bytes: 1 } as const;
    const changes = Array.from({ length: 50_000 }, (_, i) => ({ ...change, what: `file-${i}` }));
    const web = {
      ...target,
      plan: async (...request: Parameters<typeof target.plan>) => ({
        ...(await target.plan(...request)),
        changes,
      }),
    };
    const config = await checkConfig(
      { project: "shop", environments: { production: { targets: { web }, store: rig.store } } },
      { file: "lockstep.config.ts", folder: "/nowhere", ci: false },
    );

    expect((await deploy({ ...base, config })).exit).toBe(0);
  });

  it("is made and staged in the order of the config", async () => {
    const { job, calls } = await ordered();

    await deploy(job);

    const first = (text: string): number => calls.findIndex((call) => call.includes(text));
    expect(calls.filter((call) => call === "before plan")).toHaveLength(0);
    expect(first("image plan")).toBeLessThan(first("web plan"));
    expect(first("after image apply memory.stage")).toBeLessThan(
      first("before web apply memory.stage"),
    );
    expect(first("after web apply memory.stage")).toBeLessThan(
      first("before image apply memory.activate"),
    );
  });
});

async function ordered(): Promise<{
  readonly job: RunJob & { release: typeof NAMED };
  readonly calls: string[];
}> {
  const calls: string[] = [];
  const worldOf = (name: string): MemoryWorld => {
    const world = new MemoryWorld([`${name}-1`]);
    world.on = (call, when) => void calls.push(`${when} ${name} ${call}`);
    return world;
  };
  const targets = {
    web: memoryTarget({ world: worldOf("web"), content: "one" }),
    image: memoryTarget({ world: worldOf("image"), content: "one" }),
  };
  const config = await checkConfig(
    {
      project: "shop",
      environments: { production: { targets, store: new MemoryStore(), order: ["image", "web"] } },
    },
    { file: "lockstep.config.ts", folder: "/nowhere", ci: false },
  );
  return { job: { ...(await rig.job("one")), config, release: NAMED }, calls };
}

describe("what a step saw", () => {
  it("of 70 kB is kept beside the record and put back", async () => {
    const large = "x".repeat(70_000);
    rig = new Rig();
    await deploy(await rig.job(large));
    await rig.killedAt(AT_MOVE, async () => deploy(await rig.job("two")));

    expect((await recover(await rig.job("two"))).exit).toBe(0);
    expect(Object.values(rig.world.contents())).toEqual([large, large, large]);
    const [run = ""] = [...rig.store.values.keys()].flatMap(
      (key) => /^runs\/(production-000002-[0-9a-f]+)\//.exec(key)?.[1] ?? [],
    );
    const { records } = await openJournal(rig.store, run, { epoch: 0, now: () => 0 });
    expect(records.some(({ type }) => type === "barrier")).toBe(true);
  });
});
