import { afterAll, beforeAll } from "vitest";
import { type Rig, startRig } from "./rig.ts";

/** Starts a rig for the tests of a file and makes it ready; ends it after them. */
export function ownRig(ready: (rig: Rig) => Promise<void> | void): void {
  let rig: Rig | undefined;
  beforeAll(async () => {
    rig = await startRig();
    await ready(rig);
  }, 60_000);
  afterAll(async () => rig?.[Symbol.asyncDispose](), 120_000);
}
