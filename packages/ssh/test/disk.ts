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
  const sharesBlocks = mountsFile(file, mount, "xfs");
  if (!sharesBlocks) execFileSync("mount", ["-t", "tmpfs", "-o", "size=200m", "tmpfs", mount]);
  stack.defer(() => void execFileSync("umount", [mount]));
  const { uid, gid } = await stat(folder);
  await chown(mount, uid, gid);
  const owned = stack.move();
  return { mount, sharesBlocks, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function mountsFile(file: string, mount: string, type: "xfs" | "btrfs"): boolean {
  const words = ["-t", type, "-o", "loop", file, mount];
  return spawnSync("mount", words, { stdio: "ignore" }).status === 0;
}

/** Room that an account may take, less than there is. */
export interface Allotment extends AsyncDisposable {
  readonly mount: string;
  /** What the system says of who wants more. */
  readonly words: string;
}

/** Bytes of a disk that can have quotas; the smallest that btrfs likes. The file has holes. */
const SIZE_WITH_QUOTA = 125_829_120;

/**
 * Mounts a disk below a folder, for the owner of that folder, on which there is a quota of some MiB: a btrfs in a
 * file; or memory of that size, on machines that mount no files.
 */
export async function mountQuota(folder: string, mib: number): Promise<Allotment> {
  await using stack = new AsyncDisposableStack();
  const image = await mkdtemp(join(tmpdir(), "lockstep-quota-"));
  stack.defer(() => rm(image, { recursive: true }));
  const file = join(image, "disk");
  await writeFile(file, "");
  await truncate(file, SIZE_WITH_QUOTA);
  execFileSync("mkfs.btrfs", ["-q", file], { stdio: "pipe" });
  const disk = join(folder, "quota");
  await mkdir(disk);
  const hasQuota = mountsFile(file, disk, "btrfs");
  const size = `size=${mib}m`;
  if (!hasQuota) execFileSync("mount", ["-t", "tmpfs", "-o", size, "tmpfs", disk]);
  stack.defer(() => void execFileSync("umount", [disk]));
  const mount = join(disk, "home");
  if (hasQuota) {
    execFileSync("btrfs", ["quota", "enable", disk], { stdio: "pipe" });
    execFileSync("btrfs", ["subvolume", "create", mount], { stdio: "pipe" });
    execFileSync("btrfs", ["qgroup", "limit", `${mib}M`, mount], { stdio: "pipe" });
  } else await mkdir(mount);
  const { uid, gid } = await stat(folder);
  await chown(mount, uid, gid);
  const owned = stack.move();
  const words = hasQuota ? "Disk quota exceeded" : "No space left on device";
  return { mount, words, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
