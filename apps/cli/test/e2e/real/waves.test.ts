import { copyFile, lstat, rm } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { nextEdition } from "./held.ts";
import { ownRig } from "./own-rig.ts";
import { PATH, type Rig } from "./rig.ts";

const DEPLOY = ["deploy", "-e", "production", "-y"] as const;
const UNTIL = "until: { successes: 2, intervalMs: 50, deadlineMs: 2000 }";

let rig: Rig;

ownRig((made) => {
  rig = made;
});

beforeEach(async () => {
  await rig.configure("keep: 100");
  await nextEdition(rig);
  await rig.mustDeploy();
  await nextEdition(rig);
});

/** A check that fails for the edition that a host finds in its file `sick`. */
const WELL = `checks: [{ command: ["sh", "-c", "! cmp -s index.html ${PATH}/sick"], ${UNTIL} }]`;

/** When the link of each host moved, in milliseconds. */
function moved(): Promise<number[]> {
  return Promise.all(
    rig.hosts.map(async ({ root }) => (await lstat(join(root, "current"))).ctimeMs),
  );
}

/** Hosts that do not stand the edition that was built, while something is done. */
async function withSick<T>(names: readonly string[], act: () => Promise<T>): Promise<T> {
  const files = rig.hosts
    .filter(({ name }) => names.includes(name))
    .map(({ root }) => join(root, "sick"));
  for (const file of files) await copyFile(join(rig.build, "index.html"), file);
  try {
    return await act();
  } finally {
    for (const file of files) await rm(file);
  }
}

describe("a rollout in waves over three hosts", { timeout: 60_000 }, () => {
  it("moves the canary alone, waits, and then the others", async () => {
    await rig.configure(
      `keep: 100, rollout: { waves: [1, "100%"], first: "web-2", pauseMs: 700 }, ${WELL}`,
    );
    const before = await rig.links();

    const { exit, stderr } = await rig.lockstep(...DEPLOY);

    expect(exit, stderr).toBe(0);
    const after = await rig.links();
    expect(new Set(after).size).toBe(1);
    expect(after).not.toEqual(before);
    const [first = 0, canary = 0, third = 0] = await moved();
    expect(Math.min(first, third) - canary).toBeGreaterThanOrEqual(700);
  });

  it("never reaches the others when the canary fails, and puts the canary back", async () => {
    await rig.configure(`keep: 100, rollout: { waves: [1, "100%"], first: "web-2" }, ${WELL}`);
    const before = { links: await rig.links(), moved: await moved() };

    const { exit, stderr } = await withSick(["web-2"], () => rig.lockstep(...DEPLOY));

    expect(exit, stderr).toBe(31);
    expect(await rig.links()).toEqual(before.links);
    const after = await moved();
    expect([after[0], after[2]]).toEqual([before.moved[0], before.moved[2]]);
    expect(after[1]).toBeGreaterThan(before.moved[1] ?? 0);
  });

  it("puts every host back that was moved when a later wave fails", async () => {
    await rig.configure(`keep: 100, rollout: { waves: [1] }, ${WELL}`);
    const before = { links: await rig.links(), moved: await moved() };

    const { exit, stderr } = await withSick(["web-2"], () => rig.lockstep(...DEPLOY));

    expect(exit, stderr).toBe(31);
    expect(await rig.links()).toEqual(before.links);
    const after = await moved();
    expect(after[0]).toBeGreaterThan(before.moved[0] ?? 0);
    expect(after[1]).toBeGreaterThan(before.moved[1] ?? 0);
    expect(after[2]).toBe(before.moved[2]);
  });

  it("goes on past as many hosts that fail as it may, and no more", async () => {
    await rig.configure(`keep: 100, rollout: { waves: ["100%"], maxFailures: 1 }, ${WELL}`);
    const before = await rig.links();

    const one = await withSick(["web-3"], () => rig.lockstep(...DEPLOY));
    expect(one.exit, one.stderr).toBe(0);
    const between = await rig.links();
    expect(new Set(between).size).toBe(1);
    expect(between).not.toEqual(before);

    await nextEdition(rig);
    const two = await withSick(["web-1", "web-3"], () => rig.lockstep(...DEPLOY));
    expect(two.exit, two.stderr).toBe(31);
    expect(await rig.links()).toEqual(between);
  });
});
