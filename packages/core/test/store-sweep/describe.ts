import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localStore } from "@lockstep/state";
import { describeStoreCrashSweep } from "@lockstep/testkit";

/** Kills processes that write to the local store, in a folder of its own for every kill. */
export function describeLocalStoreCrashes(amount: {
  readonly kills?: number;
  readonly seed?: number;
}): void {
  describeStoreCrashSweep("the local store", {
    ...amount,
    module: new URL("local-store.ts", import.meta.url).href,
    async open() {
      const folder = await mkdtemp(join(tmpdir(), "lockstep-store-sweep-"));
      const state = join(folder, "state");
      return {
        store: localStore({ folder: state }),
        state,
        dispose: () => rm(folder, { recursive: true, force: true }),
      };
    },
  });
}
