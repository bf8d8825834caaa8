import { execFileSync, spawnSync } from "node:child_process";
import { chown, mkdir, mkdtemp, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A file system of its own. */
export interface Disk extends AsyncDisposable {
  readonly mount: string;
  /** Whether two files can have the same blocks. */
  readonly sharesBlocks: boolean;
}

/** Bytes of the disk; xfs takes no smaller one. The file has holes: little of it is ever written. */
const SIZE = 335_544_320;

/**
 * Mounts a disk below a folder, for the owner of that folder: an xfs in a file, which shares blocks, or memory,
 * which does not, on machines that mount no files.
 */
export async function mountDisk(folder: string): Promise<Disk> {
  await using stack = new AsyncDisposableStack();
  const image = await mkdtemp(join(tmpdir(), "lockstep-disk-"));
  stack.defer(() => rm(image, { recursive: true }));
  const file = join(image, "disk");
  await writeFile(file, "");
  await truncate(file, SIZE);
  execFileSync("mkfs.xfs", ["-q", "-m", "reflink=1", file], { stdio: "pipe" });
  const mount = join(folder, "disk");
  await mkdir(mount);
  const sharesBlocks = mountsFile(file, mount);
  if (!sharesBlocks) execFileSync("mount", ["-t", "tmpfs", "-o", "size=200m", "tmpfs", mount]);
  stack.defer(() => void execFileSync("umount", [mount]));
  const { uid, gid } = await stat(folder);
  await chown(mount, uid, gid);
  const owned = stack.move();
  return { mount, sharesBlocks, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function mountsFile(file: string, mount: string): boolean {
  const words = ["-t", "xfs", "-o", "loop", file, mount];
  return spawnSync("mount", words, { stdio: "ignore" }).status === 0;
}
