import { chown, mkdir, mkdtemp, readFile, readlink, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Json } from "@lockstep/plugin";
import { type CrashWorld, describeCrashSweep, describeNetworkSweep } from "@lockstep/testkit";
import { afterAll, beforeAll, describe } from "vitest";
import type { SshOptions } from "../../src/index.ts";
import { contents, startHost, type TestHost } from "../world.ts";
import { targetOf } from "./steps-target.ts";

/** How much of it. */
export interface Amount {
  readonly kills?: number;
  readonly positions?: number;
  readonly seed?: number;
}

/**
 * Kills processes, and breaks the network, while releases are furnished and a task is run once: what is shared is
 * linked, a secret is written, the user prepares, hosts are drained, a watch is left and told to stop.
 */
export function describeFurnishedSweeps({ kills, positions, seed }: Amount): void {
  const some = seed === undefined ? {} : { seed };
  describe.each(["dash", "busybox"] as const)("on %s", (kind) => {
    let host: TestHost;
    let upstream = { host: "127.0.0.1", port: 0 };
    beforeAll(async () => {
      host = await startHost(kind);
      upstream = { host: host.server.address, port: host.server.port };
    });
    afterAll(async () => host[Symbol.asyncDispose]());

    describeCrashSweep(`ssh with everything on ${kind}`, {
      ...some,
      ...(kills === undefined ? {} : { kills }),
      module: new URL("steps-target.ts", import.meta.url).href,
      mayMiss: { share: 0.2, because: "what is written at once depends on time" },
      open: () => openWorld(host, host.server.port),
    });

    describeNetworkSweep(`ssh with everything on ${kind}`, {
      ...some,
      ...(positions === undefined ? {} : { positions }),
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
  const folder = await mkdtemp(join(tmpdir(), "lockstep-steps-"));
  const path = join(root, `steps-${process.pid}-${(worlds += 1)}`, "shop");
  const { address, user, identity, hostKey } = server;
  await provide(path, root);
  const options: SshOptions = {
    hosts: [{ name: "web-1", address, port, user, hostKey }],
    source: "dist",
    identity,
    path,
    shared: { dirs: ["storage/logs"], files: ["settings.json"] },
    prepare: ["cp", "index.html", "prepared.html"],
    once: [{ name: "migrate", run: ["cp", "index.html", "../../migrated"], undo: "leave" }],
    drain: ["cp", "/dev/null", "drained"],
    undrain: ["rm", "-f", "drained"],
    restart: ["cp", "index.html", "../../restarted"],
    confirmWithinMs: 3_600_000,
  };
  const plain = options as unknown as Json;
  return {
    target: targetOf(plain),
    folder,
    secrets: { TOKEN: "canary-7714-ab20" },
    state: { options: plain, folder },
    async build(version) {
      await mkdir(join(folder, "dist"), { recursive: true });
      await writeFile(join(folder, "dist/index.html"), version);
    },
    observe: () => seenAt(path),
    dispose: () => rm(folder, { recursive: true, force: true }),
  };
}

/** What an operator puts there before the first deploy, owned by the account that deploys. */
async function provide(path: string, root: string): Promise<void> {
  const { uid, gid } = await stat(root);
  const shared = join(path, "shared");
  const file = join(shared, "settings.json");
  await mkdir(shared, { recursive: true });
  await writeFile(file, "{}");
  for (const one of [join(path, ".."), path, shared, file]) await chown(one, uid, gid);
}

/** What users get: the files of the live release, and where its links lead. A secret is told by its length. */
async function seenAt(path: string): Promise<unknown> {
  const link = await readlink(join(path, "current")).catch(() => null);
  if (link === null) return null;
  const release = join(path, link);
  const { "config/.env": variables, ...files } = await contents(release);
  const links = await Promise.all(
    ["storage/logs", "settings.json"].map((name) =>
      readFile(join(release, name)).then(
        () => "file",
        (cause: NodeJS.ErrnoException) => cause.code,
      ),
    ),
  );
  return { files, links, variables: variables?.length };
}
