import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { promisify } from "node:util";
import type { Config } from "@lockstep/config";
import type { Delivery } from "@lockstep/core";
import type { Release } from "@lockstep/plugin";
import { type HistoryEntry, lastCommit } from "@lockstep/state";
import { usage } from "./errors.ts";
import { folderOf } from "./open.ts";
import type { Invocation } from "./program.ts";

/**
 * The release a command is about: a new one, or with `--release` the one of that name.
 *
 * A name that is live, or was, in another environment is that release: its content must be the same here.
 *
 * @throws {LockstepError} `USAGE` for a name that no target could use, `STORE_UNREACHABLE`
 */
export async function releaseOf(invocation: Invocation, config: Config): Promise<Delivery> {
  const { flags } = invocation;
  const fresh = await newRelease(folderOf(invocation), new Date());
  const id = flags.release;
  if (id === undefined) return { release: fresh };
  if (!/^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$/.test(id))
    throw usage("A release has 1 to 64 characters of A-Z, a-z, 0-9, dot, _ and -.");
  const proven = await commitElsewhere(config, { id, here: flags.env ?? "" });
  return proven === undefined ? { release: { ...fresh, id } } : { release: proven.release, proven };
}

async function commitElsewhere(
  { environments }: Config,
  { id, here }: { readonly id: string; readonly here: string },
): Promise<HistoryEntry | undefined> {
  for (const { name, store } of Object.values(environments)) {
    if (name === here) continue;
    const found = await lastCommit(store, name, ({ release }) => release.id === id);
    if (found !== undefined) return found;
  }
  return undefined;
}

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
