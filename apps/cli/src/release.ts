import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { promisify } from "node:util";
import type { Release } from "@lockstep/plugin";

/**
 * Names a new release after the time and, in a git work tree, after the commit: `20261121T101500Z-4f9c2d1a`.
 *
 * Without git, or without a commit, the last part is random.
 */
export async function newRelease(folder: string, now: Date): Promise<Release> {
  const createdAt = now.toISOString();
  const stamp = createdAt.replaceAll(/[-:]|\.\d+/g, "");
  const head = await headOf(folder);
  if (head === undefined) return { id: `${stamp}-${randomBytes(4).toString("hex")}`, createdAt };
  return { id: `${stamp}-${head.commit.slice(0, 8)}`, createdAt, ...head };
}

async function headOf(
  folder: string,
): Promise<{ readonly commit: string; readonly order: number } | undefined> {
  try {
    const words = ["-C", folder, "log", "-1", "--format=%H %ct"];
    const { stdout } = await promisify(execFile)("git", words, { timeout: 10_000 });
    const [, commit, seconds] = /^([0-9a-f]{40,64}) (\d+)$/.exec(stdout.trim()) ?? [];
    return commit === undefined ? undefined : { commit, order: Number(seconds) };
  } catch {
    return undefined; // no git, no repository, no commit
  }
}
