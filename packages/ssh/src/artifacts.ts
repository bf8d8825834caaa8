import { type Artifact, readSource } from "@lockstep/artifact";
import { sourceChanged, type TargetContext } from "@lockstep/plugin";
import type { SshConnection } from "./connection.ts";
import type { SshSettings } from "./options.ts";

/** Which source, and what of it is taken. */
export type Source = Pick<SshSettings, "source"> & Partial<Pick<SshSettings, "exclude" | "allow">>;

/** What was read in a run, by digest. An artifact compares what it reads with its manifest, so it never gets old. */
const known = new WeakMap<SshConnection, Map<string, Artifact>>();

/** Reads a source and digests all of it. */
export async function readArtifact(
  { folder, signal, connection }: TargetContext & { readonly connection: SshConnection },
  { source, exclude, allow }: Source,
): Promise<Artifact> {
  const artifact = await readSource(source, {
    folder,
    signal,
    ...(exclude === undefined ? {} : { exclude }),
    ...(allow === undefined ? {} : { allow }),
  });
  const all = known.get(connection) ?? new Map<string, Artifact>();
  known.set(connection, all.set(artifact.digest, artifact));
  return artifact;
}

/**
 * The artifact that was planned: read once for all hosts of a run.
 *
 * @throws {LockstepError} `SOURCE_CHANGED` when the source is another one now
 */
export async function plannedArtifact(
  ctx: TargetContext & { readonly connection: SshConnection },
  { digest, ...source }: Source & { readonly digest: string },
): Promise<Artifact> {
  const before = known.get(ctx.connection)?.get(digest);
  if (before !== undefined) return before;
  const artifact = await readArtifact(ctx, source);
  if (artifact.digest === digest) return artifact;
  const name = typeof source.source === "string" ? source.source : `git ${source.source.git}`;
  throw sourceChanged(name, { wanted: digest, found: artifact.digest });
}
