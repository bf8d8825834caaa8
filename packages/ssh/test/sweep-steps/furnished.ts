import { chown, mkdir, readFile, readlink, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { newPath, type Sweep, worldOf } from "../sweep/real-hosts.ts";
import { contents } from "../world.ts";
import { targetOf } from "./steps-target.ts";

/**
 * Releases that are furnished, and a task that is run once: what is shared is linked, a secret is written, the user
 * prepares, hosts are drained, a watch is left and told to stop.
 */
export const FURNISHED: Sweep = {
  name: "ssh with everything",
  module: new URL("steps-target.ts", import.meta.url).href,
  async open(host, port) {
    const path = newPath(host);
    await provide(path, host.root);
    return worldOf(host, port, {
      targetOf,
      options: {
        path,
        shared: { dirs: ["storage/logs"], files: ["settings.json"] },
        prepare: ["cp", "index.html", "prepared.html"],
        once: [{ name: "migrate", run: ["cp", "index.html", "../../migrated"], undo: "leave" }],
        drain: ["cp", "/dev/null", "drained"],
        undrain: ["rm", "-f", "drained"],
        restart: ["cp", "index.html", "../../restarted"],
        checks: [{ command: ["true"], until: { successes: 1, intervalMs: 0, deadlineMs: 30_000 } }],
        confirmWithinMs: 3_600_000,
      },
      token: "canary-7714-ab20",
      observe: () => seenAt(path),
    });
  },
};

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
