import { execFileSync } from "node:child_process";
import { chown, mkdir, mkdtemp, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A file system of its own, in a file of this machine. */
export interface Disk extends AsyncDisposable {
  readonly mount: string;
}

/** Bytes of the disk; xfs takes no smaller one. The file has holes: little of it is ever written. */
const SIZE = 335_544_320;

/**
 * Mounts an xfs that shares blocks below a folder, for the owner of that folder.
 *
 * @returns undefined where this machine mounts no files
 */
export async function mountXfs(folder: string): Promise<Disk | undefined> {
  await using stack = new AsyncDisposableStack();
  const image = await mkdtemp(join(tmpdir(), "lockstep-xfs-"));
  stack.defer(() => rm(image, { recursive: true }));
  const file = join(image, "disk");
  await writeFile(file, "");
  await truncate(file, SIZE);
  const mount = join(folder, "xfs");
  await mkdir(mount);
  stack.defer(() => rm(mount, { recursive: true, force: true }));
  execFileSync("mkfs.xfs", ["-q", "-m", "reflink=1", file], { stdio: "pipe" });
  try {
    execFileSync("mount", ["-t", "xfs", "-o", "loop", file, mount], { stdio: "pipe" });
  } catch {
    return undefined;
  }
  stack.defer(() => void execFileSync("umount", [mount]));
  const { uid, gid } = await stat(folder);
  await chown(mount, uid, gid);
  const owned = stack.move();
  return { mount, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
