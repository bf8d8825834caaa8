import { execFile } from "node:child_process";
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import type { Wanted } from "../bench/deploy.ts";
import { range, writeFiles } from "../bench/trees.ts";
import { startFleet } from "./fleet.ts";

const run = promisify(execFile);

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

/** Most bytes that the process of a deploy held. */
async function peakOf({ options, folder, number }: Wanted): Promise<number> {
  const script = join(import.meta.dirname, "deploy-process.ts");
  const told = JSON.stringify({ options, folder, number });
  const { stdout } = await run(process.execPath, ["-C", "@lockstep/source", script, told]);
  return Number(stdout);
}
