import { diskFull, pathDenied, releaseTaken, splitFilesystem, toolMissing } from "./errors.ts";
import type { HostFacts } from "./facts.ts";
import type { RemoteHost } from "./host.ts";

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

/**
 * Refuses a host whose disk cannot hold the artifact.
 *
 * @throws {LockstepError} `SSH_DISK_FULL`
 */
export function refuseTooSmall(host: RemoteHost, { disks }: HostFacts, bytes: number): void {
  const free = disks[0]?.freeBytes;
  if (free === undefined || free >= bytes) return;
  throw diskFull(host, `${free} bytes are free, and the artifact has ${bytes}`);
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
