import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Json } from "@lockstep/plugin";
import { type CrashWorld, describeCrashSweep, describeNetworkSweep } from "@lockstep/testkit";
import { afterAll, beforeAll, describe } from "vitest";
import type { ssh, SshOptions } from "../../src/index.ts";
import { startHost, type TestHost } from "../world.ts";

/** How much is tried; all that there is where nothing is said. */
export interface Amount {
  readonly kills?: number;
  readonly positions?: number;
  readonly seed?: number;
}

/** What is swept on real servers. */
export interface Sweep {
  readonly name: string;
  /** Address of the module that makes the target in the processes that are killed. */
  readonly module: string;
  open(host: TestHost, port: number): Promise<CrashWorld>;
}

/** Calls a body with a real server for each shell; it is there once tests run. */
function onRealHosts(body: (kind: string, host: () => TestHost) => void): void {
  describe.each(["dash", "busybox"] as const)("on %s", (kind) => {
    let host: TestHost;
    beforeAll(async () => {
      host = await startHost(kind);
    });
    afterAll(async () => host[Symbol.asyncDispose]());
    body(kind, () => host);
  });
}

/** Kills processes that deploy to real servers; see `describeCrashSweep`. */
export function describeCrashes({ name, module, open }: Sweep, { kills, seed }: Amount): void {
  onRealHosts((kind, host) => {
    describeCrashSweep(`${name} on ${kind}`, {
      ...(kills === undefined ? {} : { kills }),
      ...(seed === undefined ? {} : { seed }),
      module,
      mayMiss: { share: 0.2, because: "what is written at once depends on time" },
      open: () => open(host(), host().server.port),
    });
  });
}

/** Breaks the network between this process and real servers; see `describeNetworkSweep`. */
export function describeBreaks({ name, open }: Sweep, { positions, seed }: Amount): void {
  onRealHosts((kind, host) => {
    describeNetworkSweep(`${name} on ${kind}`, {
      ...(positions === undefined ? {} : { positions }),
      ...(seed === undefined ? {} : { seed }),
      mayMiss: { share: 0.2, because: "the last bytes and messages depend on time" },
      neverTwice: "every connection has keys of its own",
      get upstream() {
        return { host: host().server.address, port: host().server.port };
      },
      open: ({ port }) => open(host(), port),
    });
  });
}

let worlds = 0;

/** A path on a host that no other world has. */
export function newPath({ root }: TestHost): string {
  return join(root, `sweep-${process.pid}-${(worlds += 1)}`, "shop");
}

/** What a world deploys, and what users get of it. */
interface Told {
  readonly targetOf: (options: Json) => ReturnType<typeof ssh>;
  readonly options: Partial<SshOptions> & { readonly path: string };
  /** Value of the secret, which nothing may tell. */
  readonly token: string;
  observe(): Promise<unknown>;
}

/** A world whose releases are one file, reached through a port. */
export async function worldOf(
  { server }: TestHost,
  port: number,
  { targetOf, options, token, observe }: Told,
): Promise<CrashWorld> {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-crash-"));
  const { address, user, identity, hostKey } = server;
  const hosts = [{ name: "web-1", address, port, user, hostKey }];
  const plain = { hosts, source: "dist", identity, ...options } as unknown as Json;
  return {
    target: targetOf(plain),
    folder,
    secrets: { TOKEN: token },
    state: { options: plain, folder },
    async build(version) {
      await mkdir(join(folder, "dist"), { recursive: true });
      await writeFile(join(folder, "dist/index.html"), version);
    },
    observe: async () => observe(),
    dispose: () => rm(folder, { recursive: true, force: true }),
  };
}
