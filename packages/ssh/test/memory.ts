import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { startSshd } from "@lockstep/testkit";
import { describe, expect, it } from "vitest";
import type { Wanted } from "../bench/deploy.ts";
import { range, writeFiles } from "../bench/trees.ts";

const run = promisify(execFile);

/** Where all hosts have their folder; each sees one of its own there. */
const MOUNT = "/mnt";

/** Deploys to one host, and to many at once, in processes of their own. */
export function describeMemory(amount: {
  readonly files: number;
  readonly filesForMany: number;
  /** What a whole process may hold, Node and all, in MiB. */
  readonly mostMiB: number;
}): void {
  describe("a process that deploys", () => {
    it.each([
      { files: amount.files, hosts: 1 },
      { files: amount.filesForMany, hosts: 20 },
    ])(
      `$files files to $hosts hosts holds at most ${amount.mostMiB} MiB, first and incremental`,
      { timeout: 900_000 },
      async ({ files, hosts }) => {
        await using fleet = await startFleet(hosts);
        const size = { files, bytes: 512, perFolder: 100 };
        const dist = join(fleet.folder, "dist");
        await mkdir(dist);
        await writeFiles(dist, size, range(files));

        const first = await peakOf({ ...fleet, number: 1 });
        await writeFiles(dist, size, [1, 101]);
        const second = await peakOf({ ...fleet, number: 2 });

        expect((await stat(join(fleet.disk(hosts - 1), "shop/current/dir-0/file-1.js"))).size).toBe(
          512,
        );
        const told = [first, second].map((bytes) => `${Math.round(bytes / 1024 / 1024)} MiB`);
        process.stdout.write(`${files} files, ${hosts} hosts: ${told.join(", then ")}\n`);
        expect(Math.max(first, second)).toBeLessThanOrEqual(amount.mostMiB * 1024 * 1024);
      },
    );
  });
}

interface Fleet extends AsyncDisposable, Pick<Wanted, "options" | "folder"> {
  /** What the host of a number has at {@link MOUNT}. */
  disk(index: number): string;
}

async function startFleet(count: number): Promise<Fleet> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "lockstep-memory-"));
  stack.defer(() => rm(folder, { recursive: true }));
  const disk = (index: number): string => join(folder, `disk-${index}`);
  // all let in the key of the first
  const config = [`AuthorizedKeysFile ${join(folder, "keys-0/authorized_keys")}`];
  const servers = await Promise.all(
    range(count).map(async (index) => {
      await mkdir(disk(index));
      const keys = join(folder, `keys-${index}`);
      return stack.use(await startSshd({ folder: keys, config, mounts: [[disk(index), MOUNT]] }));
    }),
  );
  const hosts = servers.map(({ address, port, user, hostKey }, index) => ({
    name: `web-${index}`,
    address,
    port,
    user,
    hostKey,
  }));
  const identity = servers[0]?.identity ?? "";
  const options = { hosts, identity, path: `${MOUNT}/shop`, source: "dist", sshConfig: false };
  const owned = stack.move();
  return { folder, disk, options, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Most bytes that the process of a deploy held. */
async function peakOf({ options, folder, number }: Wanted): Promise<number> {
  const script = join(import.meta.dirname, "deploy-process.ts");
  const told = JSON.stringify({ options, folder, number });
  const { stdout } = await run(process.execPath, ["-C", "@lockstep/source", script, told]);
  return Number(stdout);
}
