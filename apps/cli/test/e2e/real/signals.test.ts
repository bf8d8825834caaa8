import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { deployHeld, HELD, nextEdition, PRODUCTION } from "./held.ts";
import { ownRig } from "./own-rig.ts";
import { ended, type Rig } from "./rig.ts";

let rig: Rig;
let old: (string | null)[];

const DEPLOY = ["deploy", ...PRODUCTION, "-y"];
const SIGNALS = [
  ["SIGHUP", 129],
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const;

ownRig(async (made) => {
  rig = made;
  await rig.configure(HELD);
});

beforeEach(async () => {
  await nextEdition(rig);
  await rig.mustDeploy();
  old = await rig.links();
}, 60_000);

async function mustBeOpenAndRecover(): Promise<void> {
  expect((await rig.lockstep(...DEPLOY)).exit).toBe(25);
  const recovered = await rig.lockstep("recover", ...PRODUCTION);
  expect(recovered.exit, recovered.stderr).toBe(0);
  expect(await rig.links()).toEqual(old);
}

describe.each(SIGNALS)("%s", (signal, exitOfSignal) => {
  it(`before anything moved ends the run as if it had not been, exit ${exitOfSignal}`, async () => {
    const kept = await rig.kept();
    await writeFile(join(rig.build, "filling.bin"), Buffer.alloc(30 << 20, `${Math.random()} `));
    const child = rig.start(...DEPLOY);
    const end = ended(child);
    let said = "";
    while (!said.includes("Staging")) {
      said += String(((await once(child.stderr ?? child, "data")) as [Buffer])[0]);
    }
    child.kill(signal);

    const { exit, stderr } = await end;

    await rm(join(rig.build, "filling.bin"));
    expect(exit, stderr).toBe(exitOfSignal);
    expect([await rig.links(), await rig.kept()]).toEqual([old, kept]);
    await rig.mustDeploy();
  }, 60_000);

  it("in CI after a pointer moved lets the move end, parks with 33 and names the command", async () => {
    const { child, end, letGo } = await deployHeld(rig);
    child.kill(signal);
    await letGo();

    const { exit, stderr } = await end;

    expect([exit, stderr]).toEqual([33, expect.stringContaining("lockstep recover -e production")]);
    expect((await rig.links())[2]).toBe(old[2]);
    await mustBeOpenAndRecover();
  }, 60_000);

  it("elsewhere after a pointer moved puts everything back", async () => {
    const { child, end, letGo } = await deployHeld(rig, { CI: "" });
    child.kill(signal);
    await letGo();

    const { exit, stderr } = await end;

    expect(exit, stderr).toBe(31);
    expect(await rig.links()).toEqual(old);
    await rig.mustDeploy();
  }, 60_000);

  it("twice leaves at once, and the run is recovered", async () => {
    const { child, end, letGo } = await deployHeld(rig);
    child.kill(signal);
    await once(child.stderr ?? child, "data");
    child.kill(signal);

    const { exit } = await end;
    await letGo();

    expect(exit).toBe(exitOfSignal);
    await mustBeOpenAndRecover();
  }, 60_000);
});

describe("a terminal that goes away", () => {
  it("closes the outputs, and the deploy goes on to its end", async () => {
    const { child, end, letGo } = await deployHeld(rig);
    child.stdout?.destroy();
    child.stderr?.destroy();
    await letGo();

    expect((await end).exit).toBe(0);
    expect(await rig.links()).not.toContain(old[0]);
  }, 60_000);
});
