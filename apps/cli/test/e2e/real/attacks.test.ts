import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, describe, expect, it } from "vitest";
import {
  deployHeld,
  edit,
  everythingOn,
  fixByHand,
  HELD,
  hostOf,
  killHalfway,
  nextEdition,
  PRODUCTION,
} from "./held.ts";
import { ownRig } from "./own-rig.ts";
import type { Rig } from "./rig.ts";

let rig: Rig;
let old: (string | null)[];

const DEPLOY = ["deploy", ...PRODUCTION, "-y"];
const RECOVER = ["recover", ...PRODUCTION];
const RETRY = [...RECOVER, "--retry"];

ownRig((made) => {
  rig = made;
});

beforeEach(async () => {
  await rig.configure(HELD);
  await rig.lockstep(...RECOVER, "--if-open"); // one test that fails must not fail the others
  await nextEdition(rig);
  await rig.mustDeploy();
  old = await rig.links();
}, 60_000);

/** Recovers, finds the old release everywhere, and deploys. */
async function mustGoOn(words: readonly string[] = RECOVER): Promise<void> {
  const { exit, stderr } = await rig.lockstep(...words);
  expect(exit, stderr).toBe(0);
  expect(await rig.links()).toEqual(old);
  await rig.mustDeploy();
  expect(await rig.links()).not.toContain(old[0]);
}

describe("a run that was killed halfway", () => {
  it("keeps every other run out, and none of them writes to a host", async () => {
    await rig.lockstep("plan", ...PRODUCTION, "--save", "plan.json");
    await killHalfway(rig);
    const seen = everythingOn(rig);

    for (const words of [DEPLOY, ["rollback", ...PRODUCTION, "-y"], ["apply", "plan.json"]]) {
      const { exit, stderr } = await rig.lockstep(...words);
      expect([exit, stderr]).toEqual([25, expect.stringContaining("RUN_OPEN")]);
    }

    expect(everythingOn(rig)).toBe(seen);
    await mustGoOn();
  }, 60_000);

  it("is not recovered with another path, without a host, or under another name", async () => {
    await killHalfway(rig);
    const seen = everythingOn(rig);
    const changes: [() => Promise<void>, string][] = [
      [() => rig.configure(`${HELD} path: "/srv/lockstep-e2e/shop",`), "RECOVER_DIFFERS"],
      [() => rig.configure(HELD, rig.hosts.slice(0, 2)), "RECOVER_DIFFERS"],
      [() => edit(rig, "{ web: ssh(", "{ shop: ssh("), "TARGET_GONE"],
      [() => edit(rig, '"name":"web-2"', '"name":"web-9"'), "RECOVER_DIFFERS"],
    ];

    for (const [change, code] of changes) {
      await rig.configure(HELD);
      await change();
      const { exit, stderr } = await rig.lockstep(...RECOVER);
      expect([exit, stderr]).toEqual([22, expect.stringMatching(new RegExp(`${code} {2}web`))]);
    }

    expect(everythingOn(rig)).toBe(seen);
    await rig.configure(HELD);
    await mustGoOn();
  }, 60_000);

  it("keeps what somebody changed by hand since, puts the rest back, exit 32, and is closed once that is undone", async () => {
    await killHalfway(rig);
    const undo = await fixByHand(hostOf(rig, 0), old[0]);

    const conflict = await rig.lockstep(...RECOVER);
    const links = await rig.links();
    const again = await rig.lockstep(...DEPLOY);
    await undo();

    expect(conflict.exit, conflict.stderr).toBe(32);
    expect(conflict.stderr).toContain("web-1");
    expect(links).toEqual(old.with(0, "releases/by-hand"));
    expect(again.exit).toBe(25);
    await mustGoOn(RETRY);
  }, 60_000);

  it("is put back on the hosts that can be reached, exit 32, and on the last one with --retry", async () => {
    await killHalfway(rig);
    await hostOf(rig, 0).sshd.stop();

    const part = await rig.lockstep(...RECOVER);
    const links = await rig.links();
    await hostOf(rig, 0).sshd.start();

    expect([part.exit, part.stderr]).toEqual([
      32,
      expect.stringMatching(/SSH_HOST_UNREACHABLE {2}web web-1/),
    ]);
    expect(links[0]).not.toBe(old[0]);
    expect(links.slice(1)).toEqual(old.slice(1));
    await mustGoOn(RETRY);
  }, 60_000);
});

describe("a change by hand", () => {
  it("on the last host while the others move is not overwritten; the others are put back", async () => {
    const { end, letGo } = await deployHeld(rig);
    const undo = await fixByHand(hostOf(rig, 2), old[2]);
    await letGo();
    const { exit, stderr } = await end;
    const links = await rig.links();
    await undo();

    expect([31, 32], stderr).toContain(exit);
    expect(stderr).toContain("web-3");
    expect(links).toEqual(old.with(2, "releases/by-hand"));
    await mustGoOn(RETRY);
  }, 60_000);
});

describe("state that is lost", () => {
  it("between two runs is noticed before any write, exit 21, and begun anew only when told", async () => {
    await nextEdition(rig);
    await rm(join(rig.project, ".lockstep"), { recursive: true });
    const seen = everythingOn(rig);

    const refused = await rig.lockstep(...DEPLOY);

    expect(refused.exit, refused.stderr).toBe(21);
    expect(everythingOn(rig)).toBe(seen);
    const adopted = await rig.lockstep(...DEPLOY, "--adopt");
    expect(adopted.exit, adopted.stderr).toBe(0);
    expect(await rig.links()).not.toContain(old[0]);
  }, 60_000);

  it("while a run goes on is noticed: everything is put back, exit 33", async () => {
    const { end, letGo } = await deployHeld(rig);
    await rm(join(rig.project, ".lockstep"), { recursive: true });
    await letGo();

    const { exit, stderr } = await end;

    expect(exit, stderr).toBe(33);
    expect(await rig.links()).toEqual(old);
    const refused = await rig.lockstep(...DEPLOY);
    expect(refused.exit, refused.stderr).toBe(21);
    await nextEdition(rig); // of what is live already nothing would be taken over
    expect((await rig.lockstep(...DEPLOY, "--adopt")).exit).toBe(0);
  }, 60_000);
});

describe("a run of another store", () => {
  it("leaves hosts alone where a deploy is under way, also with --adopt, exit 30, and may have them afterwards", async () => {
    const { end, letGo } = await deployHeld(rig);
    const links = await rig.links();
    await edit(rig, "ttlMs: 5000", 'folder: ".other", ttlMs: 5000');

    const refused = await rig.lockstep(...DEPLOY, "--adopt");

    expect([refused.exit, refused.stderr]).toEqual([30, expect.stringContaining("SSH_HOST_HELD")]);
    expect(refused.stderr).toMatch(/is held by run \S+ \(\S+@\S+\) of another store, since/);
    expect(await rig.links()).toEqual(links);
    await letGo();
    expect((await end).exit).toBe(0);
    await nextEdition(rig);
    expect((await rig.lockstep(...DEPLOY, "--adopt")).exit).toBe(0);
    await rig.configure(HELD);
    await nextEdition(rig);
    expect((await rig.lockstep(...DEPLOY, "--adopt")).exit).toBe(0);
  }, 60_000);
});

describe("a process that is suspended", () => {
  it("is taken over after the time to live, and writes nothing when it wakes, exit 35", async () => {
    await edit(rig, "ttlMs: 5000", "ttlMs: 2000");
    const { child, end, letGo } = await deployHeld(rig);
    child.kill("SIGSTOP");
    await letGo();

    const held = await rig.lockstep(...RECOVER);
    const taken = await rig.lockstep(...RECOVER, "--lock-wait", "1m");
    const links = await rig.links();
    child.kill("SIGCONT");
    const woken = await end;
    await sleep(200);

    expect([held.exit, held.stderr]).toEqual([23, expect.stringContaining("LEASE_HELD")]);
    expect(taken.exit, taken.stderr).toBe(0);
    expect(links).toEqual(old);
    expect(woken.exit, woken.stderr).toBe(35);
    expect(await rig.links()).toEqual(old);
    await mustGoOn();
  }, 60_000);
});

describe("a saved plan", () => {
  it("is refused after somebody else deployed, exit 22, and nothing is written", async () => {
    await nextEdition(rig);
    await rig.lockstep("plan", ...PRODUCTION, "--save", "plan.json");
    await nextEdition(rig);
    await rig.mustDeploy();
    const seen = everythingOn(rig);

    const { exit, stderr } = await rig.lockstep("apply", "plan.json");

    expect([exit, stderr]).toEqual([22, expect.stringMatching(/PLAN_STALE|SOURCE/)]);
    expect(everythingOn(rig)).toBe(seen);
  }, 60_000);
});
