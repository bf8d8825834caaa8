import { checkConfig } from "@lockstep/config";
import { type Event } from "@lockstep/events";
import type { Store } from "@lockstep/plugin";
import { openJournal } from "@lockstep/state";
import { realSurroundings } from "@lockstep/state";
import { readHistory } from "@lockstep/state";
import {
  MemoryStore,
  memoryTarget,
  type MemoryTargetOptions,
  MemoryWorld,
} from "@lockstep/testkit";
import { beforeEach, describe, expect, it } from "vitest";
import { deploy, type Outcome, readStatus, recover, rollback, type RunJob } from "../src/index.ts";

let world: MemoryWorld;
let store: MemoryStore;
let events: Event[];
let releases: number;

beforeEach(() => {
  world = new MemoryWorld(["web-1", "web-2", "web-3"]);
  store = new MemoryStore({ ttlMs: 2000 });
  events = [];
  releases = 0;
});

async function job(
  content: string,
  more: Partial<MemoryTargetOptions> = {},
  store_: Store = store,
): Promise<RunJob & { release: { id: string; createdAt: string } }> {
  const targets = { web: memoryTarget({ world, content, ...more }) };
  const config = await checkConfig(
    { project: "shop", environments: { production: { targets, store: store_ } } },
    { file: "lockstep.config.ts", folder: "/nowhere", ci: false },
  );
  return {
    config,
    environment: "production",
    surroundings: realSurroundings({}, { user: "ada", machine: "desk" }),
    sinks: [(event) => events.push(event)],
    stop: new AbortController().signal,
    onStop: "roll-back",
    release: { id: `r${(releases += 1)}`, createdAt: "2026-11-21T00:00:00Z" },
  };
}

async function deployed(
  content: string,
  more: Partial<MemoryTargetOptions> = {},
): Promise<Outcome> {
  return deploy(await job(content, more));
}

async function typesOf(run: string | undefined): Promise<string[]> {
  const { records } = await openJournal(store, run ?? "", { epoch: 0, now: () => 0 });
  return records.map(({ type }) => type);
}

const liveOld = { "web-1": "one", "web-2": "one", "web-3": "one" };
const liveNew = { "web-1": "two", "web-2": "two", "web-3": "two" };

describe("a deploy", () => {
  it("makes one release live on every unit and writes down each intent before its effect", async () => {
    const outcome = await deployed("one");

    expect(outcome).toMatchObject({ result: "done", exit: 0, release: "r1", diagnostics: [] });
    expect(world.contents()).toEqual(liveOld);
    expect(await typesOf(outcome.run)).toEqual([
      "run.begin",
      "intent",
      "intent",
      "intent",
      "applied",
      "applied",
      "applied",
      "barrier",
      "intent",
      "applied",
      "applied",
      "applied",
      "checked",
      "checked",
      "checked",
      "decision",
      "run.end",
    ]);
  });

  it("changes nothing when everything is as it should be, and says so", async () => {
    await deployed("one");
    world.writes.length = 0;

    const outcome = await deployed("one");

    expect(outcome).toMatchObject({ result: "unchanged", exit: 0, release: "r1" });
    expect(outcome.run).toBeUndefined();
    expect(world.writes).toEqual([]);
  });

  it("moves no pointer before everything is staged everywhere", async () => {
    await deployed("one");
    const firstPoint = world.writes.findIndex((write) => write.startsWith("point"));

    expect(world.writes.slice(0, firstPoint)).toHaveLength(3);
    expect(world.writes.slice(0, firstPoint).every((write) => write.startsWith("stage"))).toBe(
      true,
    );
  });

  it("writes nothing to the store between the pointer moves of a wave, whatever the parallelism", async () => {
    const seen: string[] = [];
    store.onWrite = (key) => {
      seen.push(key.startsWith("runs/") ? "record" : "other");
    };
    world.on = (call, when) => {
      if (when === "after" && call.startsWith("apply memory.activate")) seen.push("move");
    };

    await deployed("one", { parallel: 1 });

    const moves = seen.filter((entry) => entry !== "other");
    expect(moves.slice(moves.indexOf("move"))[1]).not.toBe("intent");
    expect(moves.lastIndexOf("move") - moves.indexOf("move")).toBeLessThanOrEqual(4);
  });

  it("that nobody is asked about looks at a target once before it stages, under the lease, and once where nothing is to be done", async () => {
    await deployed("one");
    const seen: string[] = [];
    store.onWrite = (key) => void seen.push(key.startsWith("leases/") ? "lease" : "write");
    const live = world.live.bind(world);
    world.live = (name) => {
      if (name === "web-1") seen.push("look");
      return live(name);
    };
    world.on = (call) => {
      if (call === "apply memory.stage/1 web-1") seen.push("stage");
    };

    await deployed("two");
    const before = seen.splice(0, seen.indexOf("stage")).filter((entry) => entry !== "write");
    seen.length = 0;
    await deployed("two");

    expect(before).toEqual(["lease", "look"]);
    expect(seen).toEqual(["lease", "look", "lease"]);
  });

  it("runs waves in ascending order, each with one intent record", async () => {
    const outcome = await deployed("one", { waves: { "web-3": 0, "web-1": 1, "web-2": 2 } });

    expect(world.writes.filter((write) => write.startsWith("point"))).toEqual([
      "point web-3 one",
      "point web-1 one",
      "point web-2 one",
    ]);
    expect((await typesOf(outcome.run)).filter((type) => type === "intent")).toHaveLength(3 + 3);
  });

  it("leaves users on the old release when staging fails, removes what was staged, exit 30", async () => {
    await deployed("one");
    world.on = (call, when) => {
      if (when === "before" && call === "apply memory.stage/1 web-2") throw new Error("disk full");
    };

    const outcome = await deployed("two");

    expect(outcome).toMatchObject({ result: "failed", exit: 30 });
    expect(world.contents()).toEqual(liveOld);
    expect(Object.keys(world.unit("web-1").releases)).toEqual(["r1"]);
    expect((await typesOf(outcome.run)).slice(-1)).toEqual(["run.end"]);
  });

  it("puts every unit back when one pointer cannot be moved, exit 31", async () => {
    await deployed("one");
    world.on = (call, when) => {
      if (when === "before" && call === "apply memory.activate/1 web-2") throw new Error("reset");
    };

    const outcome = await deployed("two");

    expect(outcome).toMatchObject({ result: "rolled-back", exit: 31 });
    expect(world.contents()).toEqual(liveOld);
    expect(outcome.live["web"]?.map(({ ref }) => ref)).toEqual([
      { release: "r1", content: "one" },
      { release: "r1", content: "one" },
      { release: "r1", content: "one" },
    ]);
  });

  it("puts a pointer back whose reply was lost", async () => {
    await deployed("one");
    world.on = (call, when) => {
      if (when === "after" && call === "apply memory.activate/1 web-2") throw new Error("reset");
    };

    expect(await deployed("two")).toMatchObject({ result: "rolled-back", exit: 31 });
    expect(world.contents()).toEqual(liveOld);
  });

  it("puts everything back when a check fails, and says what was wanted and found", async () => {
    await deployed("one");
    world.answer = (unit, live) =>
      unit === "web-3" && live?.content === "two"
        ? { status: "fail", wanted: "200", found: "500" }
        : { status: "pass" };

    const outcome = await deployed("two");

    expect(outcome).toMatchObject({ result: "rolled-back", exit: 31 });
    expect(world.contents()).toEqual(liveOld);
    expect(outcome.diagnostics).toEqual([
      expect.objectContaining({
        code: "CHECK_FAILED",
        target: "web",
        unit: "web-3",
        step: "check:web-3",
        message: "ask web-3: wanted 200, found 500.",
      }),
    ]);
  });

  it("returns to nothing when the first deploy ever fails", async () => {
    world.answer = () => ({ status: "fail" });

    expect(await deployed("one")).toMatchObject({ result: "rolled-back", exit: 31 });
    expect(world.contents()).toEqual({ "web-1": null, "web-2": null, "web-3": null });
  });

  it("asks for a human when the old release does not pass its check either", async () => {
    await deployed("one");
    world.answer = () => ({ status: "fail", found: "500" });

    const outcome = await deployed("two");

    expect(outcome).toMatchObject({ result: "needs-human", exit: 32 });
    expect(world.contents()).toEqual(liveOld);
  });

  it("parks when a check cannot be measured, and leaves the new release live", async () => {
    await deployed("one");
    world.answer = (unit) => ({ status: unit === "web-1" ? "inconclusive" : "pass" });

    const outcome = await deployed("two");

    expect(outcome).toMatchObject({ result: "inconclusive", exit: 34 });
    expect(world.contents()).toEqual(liveNew);
    await expect(deployed("three")).rejects.toMatchObject({ code: "RUN_OPEN" });
    expect(await recover(await job("two"))).toMatchObject({ result: "rolled-back", exit: 0 });
    expect(world.contents()).toEqual(liveOld);
  });

  it("leaves a hot-fix alone that came between barrier and activation, and puts the rest back", async () => {
    await deployed("one");
    world.on = (call, when) => {
      if (when === "before" && call === "apply memory.activate/1 web-2") world.edit("web-2", "fix");
    };

    const outcome = await deployed("two");

    expect(outcome.exit).toBe(32);
    expect(world.contents()).toEqual({ ...liveOld, "web-2": "fix" });
  });

  it("leaves a hot-fix alone that came before the revert, exit 32, run open", async () => {
    await deployed("one");
    world.answer = () => {
      world.edit("web-2", "fix");
      return { status: "fail" };
    };

    const outcome = await deployed("two");

    expect(outcome.exit).toBe(32);
    expect(outcome.diagnostics.map(({ code }) => code)).toContain("REVERT_CONFLICT");
    expect(world.contents()["web-2"]).toBe("fix");
    await expect(deployed("three")).rejects.toMatchObject({ code: "RUN_OPEN" });
  });

  it("goes on past a unit that cannot be put back, exit 32, and a later recover finishes", async () => {
    await deployed("one");
    world.answer = (_, live) => ({ status: live?.content === "two" ? "fail" : "pass" });
    world.on = (call) => {
      if (call === "revert memory.activate/1 web-2") throw new Error("down");
    };

    const outcome = await deployed("two");

    expect(outcome.exit).toBe(32);
    expect(world.contents()).toEqual({ ...liveOld, "web-2": "two" });
    world.on = () => {};
    expect(await recover(await job("two"))).toMatchObject({ result: "rolled-back", exit: 0 });
    expect(world.contents()).toEqual(liveOld);
  });

  it("names one failure when staging elsewhere was cut off because of it", async () => {
    world.on = async (call, when) => {
      if (when !== "before" || !call.startsWith("apply memory.stage")) return;
      if (call.endsWith("web-2")) throw new Error("disk full");
      await new Promise((_, reject) => setTimeout(() => reject(new Error("cut off")), 20));
    };

    const outcome = await deployed("one");

    expect(outcome.diagnostics.map(({ message }) => message)).toEqual(["disk full"]);
  });

  it("retires only after the commit, and a failing retire is a warning", async () => {
    world.on = (call) => {
      if (call === "retire memory.prune/1 web-1") throw new Error("busy");
    };

    const outcome = await deployed("one");

    expect(outcome).toMatchObject({ result: "done", exit: 0 });
    expect(world.writes.slice(-2)).toEqual(["prune web-2", "prune web-3"]);
    expect(events.filter(({ type }) => type === "diagnostic")).toEqual([
      expect.objectContaining({ severity: "warning" }),
    ]);
  });

  it("tries again when a failure calls itself retryable", async () => {
    const { LockstepError } = await import("@lockstep/plugin");
    let left = 2;
    world.on = (call, when) => {
      if (when === "before" && call === "apply memory.activate/1 web-1" && left-- > 0) {
        throw new LockstepError({ code: "SSH_CONNECTION_LOST", message: "lost", retryable: true });
      }
    };

    expect(await deployed("one")).toMatchObject({ result: "done" });
    expect(events.filter(({ type }) => type === "step.retrying")).toHaveLength(2);
  });

  it("touches nothing any more once a target belongs to a newer run, exit 35", async () => {
    await deployed("one");
    world.on = (call, when) => {
      if (when === "before" && call === "apply memory.activate/1 web-2") {
        for (const name of world.names) {
          const unit = world.unit(name);
          unit.stamp = { lineage: unit.stamp?.lineage ?? "", epoch: 99, run: "newer" };
        }
      }
    };

    const outcome = await deployed("two");

    expect(outcome).toMatchObject({ result: "fenced", exit: 35 });
  });

  it("keeps a step that is safe to keep, and refuses two that cannot be undone", async () => {
    const once = {
      id: "migrate",
      kind: "memory.once/1",
      phase: "activate",
      input: { unit: "db" },
      undo: "leave",
    } as const;
    world.answer = (_, live) => ({ status: live?.content === "two" ? "fail" : "pass" });
    await deployed("one", { extra: [once] });

    expect((await deployed("two", { extra: [once] })).exit).toBe(31);
    expect(world.writes.filter((write) => write === "migrate db")).toHaveLength(2);
    const never = { ...once, undo: "never" } as const;
    await expect(
      deployed("three", { extra: [never, { ...never, id: "again" }] }),
    ).rejects.toMatchObject({ code: "PLAN_BROKEN" });
    await expect(
      deployed("three", { extra: [{ ...once, undo: undefined } as never] }),
    ).rejects.toMatchObject({
      code: "PLAN_BROKEN",
    });
  });

  it("refuses to run when the target carries the stamp of another store, unless told to adopt", async () => {
    await deployed("one");
    const other = new MemoryStore();

    await expect(deploy(await job("two", {}, other))).rejects.toMatchObject({
      code: "FOREIGN_LINEAGE",
    });
    const outcome = await deploy({ ...(await job("two", {}, other)), adopt: true });

    expect(outcome).toMatchObject({ result: "done" });
    expect(outcome.run).toMatch(/^production-000002-/);
  });

  it("refuses a plan that nobody confirmed, and one that went stale while somebody looked at it", async () => {
    await expect(
      deploy({ ...(await job("one")), confirm: async () => false }),
    ).rejects.toMatchObject({
      code: "CONFIRMATION_NEEDED",
    });
    const confirm = async (): Promise<boolean> => {
      world.edit("web-1", "fix");
      return true;
    };
    await expect(deploy({ ...(await job("one")), confirm })).rejects.toMatchObject({
      code: "PLAN_STALE",
    });
    expect(world.writes).toEqual([]);
  });

  it("puts everything back without records when the store is lost after the first move, exit 33", async () => {
    await deployed("one");
    world.on = (call, when) => {
      if (when === "after" && call === "apply memory.activate/1 web-1") {
        store.onWrite = () => {
          throw new Error("EIO");
        };
      }
    };

    const outcome = await deployed("two");
    store.onWrite = () => {};
    store.killAll();

    expect(outcome).toMatchObject({ result: "parked", exit: 33 });
    expect(world.contents()).toEqual(liveOld);
    expect(await recover(await job("two"))).toMatchObject({ result: "rolled-back", exit: 0 });
  });

  it.each(["onWrite", "afterWrite"] as const)(
    "is left as it is when the store is lost at the decision (%s): a recover reads what was decided",
    async (moment) => {
      await deployed("one");
      world.on = (call, when) => {
        if (when !== "after" || call !== "check memory.check/1 web-3") return;
        let writes = 0;
        store[moment] = (key) => {
          // the answers of the three checks come first, then the decision
          if (key.startsWith("runs/") && (writes += 1) >= 4) throw new Error("EIO");
        };
      };

      const outcome = await deployed("two");
      world.on = () => {};
      store[moment] = () => {};
      store.killAll();

      expect(outcome).toMatchObject({ result: "parked", exit: 33 });
      expect(world.contents()).toEqual(liveNew);
      const decided = moment === "afterWrite";
      expect((await recover(await job("two"))).result).toBe(decided ? "done" : "rolled-back");
      expect(world.contents()).toEqual(decided ? liveNew : liveOld);
    },
  );

  it("measures how far apart the first and the last pointer moved", async () => {
    world.on = async (call, when) => {
      if (when === "before" && call === "apply memory.activate/1 web-3") {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };

    expect((await deployed("one")).skewMs).toBeGreaterThanOrEqual(45);
  });
});

describe("a stop", () => {
  it("before the first pointer move leaves nothing behind, exit 130", async () => {
    await deployed("one");
    const stop = new AbortController();
    world.on = (call, when) => {
      if (when === "after" && call === "apply memory.stage/1 web-1")
        stop.abort(new Error("SIGINT"));
    };

    const outcome = await deploy({ ...(await job("two")), stop: stop.signal });

    expect(outcome).toMatchObject({ result: "interrupted", exit: 130 });
    expect(outcome.diagnostics.map(({ code }) => code)).toEqual(["RUN_STOPPED"]);
    expect(world.contents()).toEqual(liveOld);
    expect(Object.keys(world.unit("web-1").releases)).toEqual(["r1"]);
  });

  it.each([
    ["roll-back", 31, liveOld],
    ["park", 33, { ...liveNew, "web-3": "one" }],
  ] as const)("after the first pointer move: %s", async (onStop, exit, live) => {
    await deployed("one");
    const stop = new AbortController();
    world.on = (call, when) => {
      if (when === "after" && call === "apply memory.activate/1 web-2")
        stop.abort(new Error("SIGINT"));
    };

    const outcome = await deploy({
      ...(await job("two", { parallel: 1 })),
      stop: stop.signal,
      onStop,
    });

    expect(outcome.exit).toBe(exit);
    expect(world.contents()).toEqual(live);
  });
});

describe("a rollback", () => {
  it("makes the release before the live one live again, as a run of its own, without staging", async () => {
    await deployed("one");
    await deployed("two");
    world.writes.length = 0;

    const outcome = await rollback(await job("ignored"));

    expect(outcome).toMatchObject({ result: "done", exit: 0, release: "r1" });
    expect(world.contents()).toEqual(liveOld);
    expect(world.writes.filter((write) => write.startsWith("stage"))).toEqual([]);
  });

  it("goes to the release it is told, and says which ones it does not know", async () => {
    for (const content of ["one", "two", "three"]) await deployed(content);

    expect(await rollback({ ...(await job("x")), to: "r1" })).toMatchObject({ release: "r1" });
    await expect(rollback({ ...(await job("x")), to: "nope" })).rejects.toMatchObject({
      code: "NOTHING_TO_RETURN_TO",
    });
  });

  it("goes further back each time, and never forward to what was left", async () => {
    for (const content of ["one", "two", "three"]) await deployed(content);

    expect(await rollback(await job("x"))).toMatchObject({ release: "r2" });
    expect(await rollback(await job("x"))).toMatchObject({ release: "r1" });
    await expect(rollback(await job("x"))).rejects.toMatchObject({ code: "NOTHING_TO_RETURN_TO" });
  });

  it("refuses a release that a unit no longer keeps, before anything is locked", async () => {
    await deployed("one");
    await deployed("two");
    world.unit("web-2").past.length = 0;

    await expect(rollback(await job("x"))).rejects.toMatchObject({
      code: "RELEASE_GONE",
      unit: "web-2",
    });
  });

  it("works without a history: each target's own previous release answers", async () => {
    await deployed("one");
    await deployed("two");

    const outcome = await rollback({ ...(await job("x", {}, new MemoryStore())), adopt: true });

    expect(outcome.result).toBe("done");
    expect(world.contents()).toEqual(liveOld);
  });

  it("has nothing to return to after the first deploy", async () => {
    await deployed("one");

    await expect(rollback(await job("x"))).rejects.toMatchObject({ code: "NOTHING_TO_RETURN_TO" });
  });
});

describe("status and history", () => {
  it("tell what is live, since which run, and what somebody changed by hand", async () => {
    await deployed("one");
    world.edit("web-2", "fix");

    const status = await readStatus(await job("one"));

    expect(status).toMatchObject({ environment: "production", release: "r1", diagnostics: [] });
    expect(status.drift).toEqual([
      {
        target: "web",
        unit: "web-2",
        wanted: { release: "r1", content: "one" },
        found: { release: "foreign", content: "fix" },
      },
    ]);
  });

  it("tell which targets differ after a run over fewer of them", async () => {
    const other = new MemoryWorld(["db-1"]);
    const both = async (
      content: string,
    ): Promise<RunJob & { release: { id: string; createdAt: string } }> => {
      const made = await job(content);
      const environment = made.config.environments["production"];
      const targets = { ...environment?.targets, db: memoryTarget({ world: other, content }) };
      const groups = [["web", "db"]];
      const environments = { production: { ...environment, targets, groups } };
      return { ...made, config: { ...made.config, environments } as typeof made.config };
    };
    await deploy(await both("one"));

    await deploy({ ...(await both("two")), targets: ["web"] });
    const status = await readStatus(await both("two"));

    expect(status).toMatchObject({ releases: { web: "r2", db: "r1" }, drift: [] });
    expect(other.contents()).toEqual({ "db-1": "one" });
    expect(world.contents()).toEqual(liveNew);
  });

  it("list runs the newest first, with who, when, what and how they ended", async () => {
    await deployed("one");
    world.answer = (_, live) => ({ status: live?.content === "two" ? "fail" : "pass" });
    await deployed("two");
    await rollback({ ...(await job("x")), to: "r1" }).catch(() => undefined);

    const history = await readHistory(store, "production", 10);

    expect(history.map(({ kind, result, release }) => [kind, result, release.id])).toEqual([
      ["deploy", "rolled-back", "r2"],
      ["deploy", "done", "r1"],
    ]);
    expect(history[0]?.who).toEqual({ user: "ada", machine: "desk" });
  });
});
