import { startSandboxS3 } from "@lockstep/testkit";
import type { CutPlace } from "./cut-sweep.ts";

/** A bucket of a sandbox server. */
export async function sandboxPlace(): Promise<CutPlace> {
  const server = await startSandboxS3({ buckets: ["shop"] });
  return {
    server,
    bucket: "shop",
    async site() {
      const all = [...(server.buckets.get("shop") ?? [])];
      const live = all.filter(([key]) => !key.startsWith(".lockstep/"));
      return Object.fromEntries(live.map(([key, { body }]) => [key, Buffer.from(body).toString()]));
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
