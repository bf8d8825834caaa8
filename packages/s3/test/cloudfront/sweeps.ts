import type { Json } from "@lockstep/plugin";
import {
  type CrashWorld,
  describeCrashSweep,
  describeNetworkSweep,
  startSandboxS3,
  type SandboxKeyValues,
  startSandboxKeyValues,
} from "@lockstep/testkit";
import { afterAll, beforeAll, describe } from "vitest";
import { filesOf, Folder } from "../world.ts";
import { targetOf } from "./crash-target.ts";
import { siteAt } from "./routed-world.ts";

/** How much of a sweep is done. */
export interface Amount {
  readonly kills?: number;
  readonly positions?: number;
  readonly seed?: number;
}

type Sandbox = Awaited<ReturnType<typeof startSandboxS3>>;

/** Kills processes that deploy behind the router; see `describeCrashSweep`. */
export function describeRoutedCrashes(amount: Amount): void {
  describeCrashSweep("s3 behind the router", {
    ...amount,
    module: new URL("crash-target.ts", import.meta.url).href,
    mayMiss: { share: 0.2, because: "what is written at once depends on time" },
    async open() {
      const server = await startSandboxS3({ buckets: ["shop"] });
      const store = await startSandboxKeyValues(server.credentials.accessKeyId);
      const world = await openWorld(server, store, {});
      return {
        ...world,
        async dispose() {
          await world.dispose?.();
          await store[Symbol.asyncDispose]();
          await server[Symbol.asyncDispose]();
        },
      };
    },
  });
}

/** Breaks the network to either server; see `describeNetworkSweep`. */
export function describeRoutedNetwork(amount: Amount): void {
  describe.each(["key value store", "bucket"] as const)("between a run and the %s", (which) => {
    let server: Sandbox;
    let store: SandboxKeyValues;
    beforeAll(async () => {
      server = await startSandboxS3({ buckets: ["shop"] });
      store = await startSandboxKeyValues(server.credentials.accessKeyId);
    });
    afterAll(async () => {
      await store[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    });

    describeNetworkSweep(`the ${which}`, {
      ...amount,
      mayMiss: { share: 0.2, because: "the last bytes and messages depend on time" },
      get upstream() {
        const port = which === "bucket" ? Number(new URL(server.endpoint).port) : store.port;
        return { host: "127.0.0.1", port };
      },
      open: ({ port }) => {
        const through = `http://127.0.0.1:${port}`;
        return openWorld(server, store, which === "bucket" ? { bucket: through } : { through });
      },
    });
  });
}

let worlds = 0;

/** A site of its own in the bucket and in the store. */
async function openWorld(
  server: Sandbox,
  store: SandboxKeyValues,
  {
    through = store.endpoint,
    bucket = server.endpoint,
  }: { readonly through?: string; readonly bucket?: string },
): Promise<CrashWorld> {
  const folder = await Folder.open();
  const site = `site-${(worlds += 1)}`;
  const options = {
    bucket: "shop",
    source: "dist",
    prefix: `${site}/`,
    endpoint: bucket,
    region: server.region,
    cloudfront: { keyValueStore: store.arn, site, endpoint: through },
    limits: { inFlight: 2, tries: 8, backoffMs: 20, timeoutMs: 3_000 },
  } as unknown as Json;
  return {
    target: targetOf(options),
    folder: folder.path,
    secrets: { S3_SECRET: server.credentials.secretAccessKey },
    state: { options, folder: folder.path },
    build: (version) => folder.build(filesOf(version)),
    observe: () => siteAt(store.values, server.buckets.get("shop") ?? new Map(), { site }),
    dispose: () => folder[Symbol.asyncDispose](),
  };
}
