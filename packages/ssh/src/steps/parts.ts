import type { Artifact, Entry, Manifest } from "@lockstep/artifact";
import type { SshConnection } from "../connection.ts";
import { changedPaths } from "../edit.ts";

/** Bytes from which a transfer is worth several channels. */
const MANY_BYTES = 8 * 1024 * 1024;

/**
 * Channels of one upload, of all hosts together. What may be under way in one is bounded by the server, by 2 MiB
 * in OpenSSH: over 50 ms there and back that is 40 MB in a second, however fast the line.
 */
const CHANNELS = 3;

/** Paths that are sent; undefined for all. */
type Only = ReadonlySet<string> | undefined;

/** What a transfer sends. */
interface Sending {
  readonly artifact: Pick<Artifact, "manifest">;
  readonly only?: Only;
}

/** How many channels a transfer is worth. */
export function channelsFor(
  { hosts }: Pick<SshConnection, "hosts">,
  { artifact, only }: Sending,
): number {
  return bytesOf(artifact, only) < MANY_BYTES
    ? 1
    : Math.max(1, Math.floor(CHANNELS / hosts.length));
}

/** Directories, links and the files that the base does not have; undefined, for all, without a base. */
export function changedSince(
  base: Manifest | undefined,
  { manifest }: Pick<Artifact, "manifest">,
): Set<string> | undefined {
  if (base === undefined) return undefined;
  const others = manifest.flatMap(({ type, path }) => (type === "file" ? [] : [path]));
  return new Set([...others, ...changedPaths(base, manifest)]);
}

/** Bytes of what is sent, as they are in the files. */
export function bytesOf({ manifest }: Pick<Artifact, "manifest">, only: Only): number {
  return manifest.reduce(
    (sum, entry) => sum + ((only?.has(entry.path) ?? true) ? sizeOf(entry) : 0),
    0,
  );
}

/**
 * Paths in so many parts, which are to be sent side by side, of about the same size. What has no bytes is in the
 * first: programs that unpack make the folders they miss.
 */
export function partsOf({ artifact, only }: Sending, count: number): readonly Only[] {
  if (count === 1) return [only];
  const bytes = bytesOf(artifact, only);
  const parts = Array.from({ length: count }, () => new Set<string>());
  let sent = 0;
  for (const entry of artifact.manifest) {
    if (only?.has(entry.path) === false) continue;
    const index = entry.type === "file" ? Math.floor((sent / bytes) * count) : 0;
    parts[Math.min(index, count - 1)]?.add(entry.path);
    sent += sizeOf(entry);
  }
  return parts;
}

function sizeOf(entry: Entry): number {
  return entry.type === "file" ? entry.size : 0;
}
