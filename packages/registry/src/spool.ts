import { lstat, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

const PREFIX = "lockstep-layers-";

/** Age, in milliseconds, from which a folder is that of a run that was killed: no run takes a day. */
const LEFT_BEHIND_MS = 24 * 60 * 60 * 1000;

/**
 * Makes a folder of our own for compressed layers, and removes the ones that killed runs of the same account left
 * behind.
 *
 * @param now - Milliseconds since 1970.
 */
export async function makeSpool(now: number): Promise<string> {
  const above = tmpdir();
  const names = await readdir(above).catch(() => []);
  for (const name of names.filter((one) => one.startsWith(PREFIX))) {
    const path = join(above, name);
    // one that cannot be removed takes room, and keeps no run from going on
    if (await isLeftBehind(path, now)) await rm(path, { recursive: true }).catch(() => {});
  }
  return mkdtemp(join(above, PREFIX));
}

/** What is no folder, or belongs to somebody else, is not ours to remove. */
async function isLeftBehind(path: string, now: number): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isDirectory() !== true || now - found.mtimeMs < LEFT_BEHIND_MS) return false;
  return found.uid === (process.getuid?.() ?? found.uid);
}
