import { mkdir, mkdtemp, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Json } from "@lockstep/plugin";
import { type CrashWorld, describeCrashSweep, describeNetworkSweep } from "@lockstep/testkit";
import { afterAll, beforeAll, describe } from "vitest";
import type { SshOptions } from "../../src/index.ts";
import { contents, startHost, type TestHost } from "../world.ts";
import { targetOf } from "./crash-target.ts";

/** Kills processes that deploy to real servers; see `describeCrashSweep`. */
export function describeSshCrashes(amount: {
  readonly kills?: number;
  readonly seed?: number;
}): void {
  describe.each(["dash", "busybox"] as const)("on %s", (kind) => {
    let host: TestHost;
    beforeAll(async () => {
      host = await startHost(kind);
    });
    afterAll(async () => host[Symbol.asyncDispose]());

    describeCrashSweep(`ssh on ${kind}`, {
      ...amount,
      module: new URL("crash-target.ts", import.meta.url).href,
      mayMiss: { share: 0.2, because: "what is written at once depends on time" },
      open: () => openWorld(host, host.server.port),
    });
  });
}

/** Breaks the network between this process and real servers; see `describeNetworkSweep`. */
export function describeSshNetwork(amount: {
  readonly positions?: number;
  readonly seed?: number;
}): void {
  describe.each(["dash", "busybox"] as const)("on %s", (kind) => {
    let host: TestHost;
    let upstream = { host: "127.0.0.1", port: 0 };
    beforeAll(async () => {
      host = await startHost(kind);
      upstream = { host: host.server.address, port: host.server.port };
    });
    afterAll(async () => host[Symbol.asyncDispose]());

    describeNetworkSweep(`ssh on ${kind}`, {
      ...amount,
      mayMiss: { share: 0.2, because: "the last bytes and messages depend on time" },
      neverTwice: "every connection has keys of its own",
      get upstream() {
        return upstream;
      },
      open: ({ port }) => openWorld(host, port),
    });
  });
}

let worlds = 0;

async function openWorld({ server, root }: TestHost, port: number): Promise<CrashWorld> {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-crash-"));
  const path = join(root, `crash-${process.pid}-${(worlds += 1)}`, "shop");
  const { address, user, identity, hostKey } = server;
  const options: SshOptions = {
    hosts: [{ name: "web-1", address, port, user, hostKey }],
    source: "dist",
    identity,
    path,
    restart: ["cp", "index.html", "../../restarted"],
  };
  const plain = options as unknown as Json;
  return {
    target: targetOf(plain),
    folder,
    secrets: { TOKEN: "canary-5093-e1b7" },
    state: { options: plain, folder },
    async build(version) {
      await mkdir(join(folder, "dist"), { recursive: true });
      await writeFile(join(folder, "dist/index.html"), version);
    },
    // by what users get: the same content may come back under another name
    observe: async () => {
      const link = await readlink(join(path, "current")).catch(() => null);
      return link === null ? null : contents(join(path, link));
    },
    dispose: () => rm(folder, { recursive: true, force: true }),
  };
}
