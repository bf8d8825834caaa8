import type { Json } from "@lockstep/plugin";
import { describeStoreCrashSweep, startSandboxS3 } from "@lockstep/testkit";
import { type StoreState, storeOf } from "./open-store.ts";

/** Kills processes that write to a store in a bucket, on a server of its own for every kill. */
export function describeS3StoreCrashes(amount: {
  readonly kills?: number;
  readonly seed?: number;
}): void {
  describeStoreCrashSweep("s3Store", {
    ...amount,
    module: new URL("open-store.ts", import.meta.url).href,
    async open() {
      const server = await startSandboxS3({ buckets: ["state"] });
      const { endpoint, region, credentials } = server;
      const state = { bucket: "state", prefix: "run/", endpoint, region, credentials };
      const store = storeOf(state satisfies StoreState);
      return {
        store,
        state: state as unknown as Json,
        async dispose() {
          await store[Symbol.asyncDispose]();
          await server[Symbol.asyncDispose]();
        },
      };
    },
  });
}
