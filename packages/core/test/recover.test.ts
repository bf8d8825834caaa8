import { MemoryWorld } from "@lockstep/testkit";
import { beforeEach, describe, expect, it } from "vitest";
import { deploy, readStatus, recover } from "../src/index.ts";
import { contents, Rig } from "./rig.ts";

let rig: Rig;

beforeEach(async () => {
  rig = new Rig();
  await deploy(await rig.job("one"));
  rig.store.killAll();
});

/** Kills a deploy at every call, recovers, and looks; returns how many points there were. */
async function sweep(arrange: (rig: Rig) => void): Promise<number> {
  for (let point = 0; ; point += 1) {
    rig = new Rig();
    await deploy(await rig.job("one"));
    arrange(rig);
    const killed = await rig.killAt(point, async () => deploy(await rig.job("two")));
    if (!killed) return point;
    const where = `killed at ${rig.calls.at(-1) ?? "?"}`;
    const committed = rig.calls.some((call) => call.startsWith("before retire"));
    const ends = committed ? ["two two two"] : ["one one one", "two two two"];

    const outcome = await recover(await rig.job("two"));

    expect(outcome.exit, where).toBe(0);
    expect(ends, where).toContain(contents(rig));
    const words =
      contents(rig) === "two two two" ? /done|unchanged/ : /failed|rolled-back|unchanged/;
    expect(outcome.result, where).toMatch(words);
    expect(await readStatus(await rig.job("two")), where).toMatchObject({
      drift: [],
      diagnostics: [],
    });
    rig.world.answer = () => ({ status: "pass" });
    expect((await deploy(await rig.job("three"))).exit, where).toBe(0);
    expect(contents(rig), where).toBe("three three three");
  }
}

describe("a deploy that is killed", () => {
  it("at any call or store write ends on one release everywhere, and the next deploy works", async () => {
    const points = await sweep(() => {});

    expect(points).toBeGreaterThan(60);
  });

  it("while it is failing and puts everything back, ends on the old release", async () => {
    const points = await sweep(({ world }) => {
      world.answer = (_, live) => ({ status: live?.content === "two" ? "fail" : "pass" });
    });

    expect(points).toBeGreaterThan(60);
  });

  it("and whose recover is killed too, at any call, ends on the old release", async () => {
    for (let point = 0; ; point += 1) {
      rig = new Rig();
      await deploy(await rig.job("one"));
      await killAfterMove(rig);

      const killed = await rig.killAt(point, async () => recover(await rig.job("two")));
      if (!killed) break;
      const where = `recover killed at ${rig.calls.at(-1) ?? "?"}`;
      const outcome = await recover(await rig.job("two"));

      expect(outcome.exit, where).toBe(0);
      expect(contents(rig), where).toBe("one one one");
      expect((await deploy(await rig.job("three"))).exit, where).toBe(0);
    }
    expect(rig.calls.length).toBeGreaterThan(40);
  });
});

/** A deploy that is killed right after its second pointer moved. */
async function killAfterMove(killed: Rig): Promise<void> {
  const job = await killed.job("two", { parallel: 1 });
  await killed.killedAt("after apply memory.activate/1 web-2", async () => deploy(job));
}

describe("an open run", () => {
  beforeEach(() => killAfterMove(rig));

  it("blocks the next deploy, which changes nothing", async () => {
    const writes = rig.world.writes.length;

    await expect(deploy(await rig.job("three"))).rejects.toMatchObject({
      code: "RUN_OPEN",
      message: expect.stringMatching(/^Run production-000002-[0-9a-f]{8} /) as string,
    });
    expect(rig.world.writes.length).toBe(writes);
  });

  it("blocks the next deploy also while a host of it is down", async () => {
    rig.world.on = (call) => {
      if (call === "live web-1") throw new Error("down");
    };

    await expect(deploy(await rig.job("three"))).rejects.toMatchObject({ code: "RUN_OPEN" });
  });

  it("is not recovered while its process lives", async () => {
    rig.store.killed.clear();

    await expect(recover(await rig.job("two"))).rejects.toMatchObject({ code: "LEASE_HELD" });
  });

  it("is not recovered by another plugin, at another place, or without its target", async () => {
    const renamed = await rig.job("two", { plugin: "other" });
    await expect(recover(renamed)).rejects.toMatchObject({ code: "PLUGIN_CHANGED" });

    const world = new MemoryWorld(["web-1", "web-2", "moved"]);
    const moved = await rig.job("two", { world });
    await expect(recover(moved)).rejects.toMatchObject({ code: "RECOVER_DIFFERS" });

    const job = await rig.job("two");
    const environment = job.config.environments["production"];
    const none = {
      ...job,
      config: { ...job.config, environments: { production: { ...environment, targets: {} } } },
    };
    await expect(recover(none as never)).rejects.toMatchObject({ code: "TARGET_GONE" });
    expect(rig.world.contents()["web-2"]).toBe("two");
  });

  it("whose journal is damaged is looked at, and nothing is changed", async () => {
    const key =
      [...rig.store.values.keys()].find(
        (name) => name.endsWith("000002-") || /000002.*00000003$/.test(name),
      ) ?? "";
    rig.store.values.set(key, { tag: "x", body: Buffer.from("{}") });
    const writes = rig.world.writes.length;

    expect(await recover(await rig.job("two"))).toMatchObject({
      result: "needs-human",
      exit: 32,
      live: { web: [{ unit: "web-1" }, { unit: "web-2" }, { unit: "web-3" }] },
      diagnostics: [{ code: "JOURNAL_UNREADABLE" }],
    });
    expect(rig.world.writes.length).toBe(writes);
    await expect(deploy(await rig.job("two"))).rejects.toMatchObject({ code: "RUN_OPEN" });

    const accepted = { how: "accept", reason: "looked at every host" } as const;
    expect(await recover({ ...(await rig.job("two")), ...accepted })).toMatchObject({
      result: "accepted",
      exit: 0,
    });
    expect(rig.world.writes.length).toBe(writes);
    expect((await deploy(await rig.job("three"))).exit).toBe(0);
  });

  it("with an unreachable unit is put back everywhere else, exit 32, and stays open until that unit is back", async () => {
    rig.world.on = (call) => {
      if (call.endsWith("web-2") && !call.startsWith("check")) throw new Error("down");
    };

    const outcome = await recover(await rig.job("two"));

    expect(outcome).toMatchObject({ result: "needs-human", exit: 32 });
    expect(rig.world.contents()).toEqual({ "web-1": "one", "web-2": "two", "web-3": "one" });
    rig.world.on = () => {};
    expect(await recover(await rig.job("two"))).toMatchObject({ result: "rolled-back", exit: 0 });
    expect(contents(rig)).toBe("one one one");
  });

  it("keeps somebody's hot-fix, exit 32", async () => {
    rig.world.edit("web-1", "fix");

    const outcome = await recover(await rig.job("two"));

    expect(outcome.exit).toBe(32);
    expect(rig.world.contents()["web-1"]).toBe("fix");
  });

  it("cannot write any more once it was taken over, although its process wakes up", async () => {
    rig = new Rig();
    await deploy(await rig.job("one"));
    const at = "before apply memory.activate/1 web-2";
    const { run: zombie, wake } = await rig.sleepAt(at, async () => deploy(await rig.job("two")));
    rig.store.killAll();
    await recover(await rig.job("two"));
    await deploy(await rig.job("three"));

    wake();

    expect(await zombie).toMatchObject({ result: "fenced", exit: 35 });
    expect(contents(rig)).toBe("three three three");
  });
});

describe("recover", () => {
  it("has nothing to do when no run is open, exit 0", async () => {
    expect(await recover(await rig.job("one"))).toMatchObject({ result: "unchanged", exit: 0 });
  });

  it("refuses a run that is not the open one", async () => {
    await expect(
      recover({ ...(await rig.job("one")), run: "production-000009-00000000" }),
    ).rejects.toMatchObject({
      code: "RUN_NOT_OPEN",
    });
  });
});
