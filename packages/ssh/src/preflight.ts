import type { Artifact, Manifest } from "@lockstep/artifact";
import { diskFull, pathDenied, releaseTaken, splitFilesystem, toolMissing } from "./errors.ts";
import type { HostFacts } from "./facts.ts";
import type { RemoteHost } from "./host.ts";
import type { SshSettings } from "./options.ts";
import { sharedConflict, variablesConflict } from "./release-errors.ts";

/**
 * Refuses a host on which a deploy would fail half-way.
 *
 * @throws {LockstepError} `SSH_TOOL_MISSING`, `SSH_PATH_DENIED`, `SSH_SPLIT_FILESYSTEM`
 */
export function refuseUnfit(host: RemoteHost, facts: HostFacts, path: string): void {
  const { missingTools, user, group, disks } = facts;
  if (missingTools.length > 0) throw toolMissing(host, missingTools);
  if (facts.path === "denied") throw pathDenied(host, { path, user, group });
  const mounts = [...new Set(disks.map(({ mount }) => mount))];
  if (mounts.length > 1) throw splitFilesystem(host, mounts);
}

/** Bytes in which file systems commonly give out room. */
const BLOCK_BYTES = 4096;

const MIB = 1_048_576;

/**
 * What takes room on a host: with hard links only what the live release does not have. Copies count in full, because
 * nobody knows beforehand whether they can share blocks.
 */
export function takingRoom(
  { manifest }: Artifact,
  { base }: Pick<SshSettings, "base">,
  before: Manifest,
): Manifest {
  if (base !== "link") return manifest;
  const keyOf = (entry: Manifest[number]): string =>
    entry.type === "file" ? `${entry.mode} ${entry.digest} ${entry.path}` : "";
  const had = new Set(before.map(keyOf));
  return manifest.filter((entry) => entry.type !== "file" || !had.has(keyOf(entry)));
}

/**
 * Refuses a host whose disk cannot hold what is to arrive, in bytes or in number of files.
 *
 * @throws {LockstepError} `SSH_DISK_FULL`
 */
export function refuseTooSmall(
  host: RemoteHost,
  { disks, freeInodes }: HostFacts,
  manifest: Manifest,
): void {
  const free = disks[0]?.freeBytes;
  const bytes = manifest.reduce(
    (sum, entry) =>
      sum + (entry.type === "file" ? Math.ceil(entry.size / BLOCK_BYTES) * BLOCK_BYTES : 0),
    0,
  );
  if (free !== undefined && free < bytes) {
    const [has, needs] = [Math.floor((free * 10) / MIB) / 10, Math.ceil((bytes * 10) / MIB) / 10];
    throw diskFull(host, `${has} MiB are free, and the artifact needs ${needs} MiB`);
  }
  if (freeInodes !== undefined && freeInodes < manifest.length) {
    throw diskFull(
      host,
      `it has room for ${freeInodes} files, and the artifact has ${manifest.length}`,
    );
  }
}

/**
 * Refuses an artifact that has something where a link to what is shared, or the file with variables, goes.
 *
 * @throws {LockstepError} `SSH_SHARED_CONFLICT`
 */
export function refuseShared(
  { shared, envFile, path }: Pick<SshSettings, "shared" | "envFile" | "path">,
  { manifest }: Artifact,
): void {
  const isReplaced = shared.onConflict === "replace";
  const links = [...shared.dirs.map((one) => one.path), ...shared.files];
  const variables = envFile?.path ?? "";
  for (const { type, path: found } of manifest) {
    if (found === variables) throw variablesConflict(path, found);
    if (!isReplaced && links.includes(found)) throw sharedConflict(path, found);
    // no folder can be made there; a link on the way is found on the host
    const isOnTheWay = (to: string): boolean => type === "file" && to.startsWith(`${found}/`);
    if (isOnTheWay(variables)) throw variablesConflict(path, found);
    if (links.some(isOnTheWay)) throw sharedConflict(path, found, false);
  }
}

/**
 * Refuses a release id that stands for another content on the host.
 *
 * @throws {LockstepError} `SSH_RELEASE_TAKEN`
 */
export function refuseTaken(
  host: RemoteHost,
  { releases }: HostFacts,
  { id, digest }: { readonly id: string; readonly digest: string },
): void {
  const meta = releases.find((one) => one.id === id && one.state === "ready");
  if (meta !== undefined && meta.digest !== digest) throw releaseTaken(host, id);
}
