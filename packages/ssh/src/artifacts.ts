import { type Artifact, readSource, type Seen, type WrittenSource } from "@lockstep/artifact";
import { sourceChanged, type TargetContext } from "@lockstep/plugin";
import type { SshConnection } from "./connection.ts";
import { imageArtifact } from "./image.ts";
import type { SshSettings } from "./options.ts";

/** Which source, and what of it is taken; or the image that takes its place. */
export type Source = {
  readonly source: WrittenSource | { readonly image: string };
} & Partial<Pick<SshSettings, "exclude" | "allow">>;

/** What was read in a run, by digest. An artifact compares what it reads with its manifest, so it never gets old. */
const known = new WeakMap<SshConnection, Map<string, Artifact>>();

/** Reads a source and digests all of it, but for files that were seen. */
export async function readArtifact(
  { folder, signal, connection }: TargetContext & { readonly connection: SshConnection },
  { source, exclude, allow, seen }: Source & { readonly seen?: Seen },
): Promise<Artifact> {
  if (typeof source !== "string" && "image" in source)
    return imageArtifact(source.image, connection.settings.container);
  const artifact = await readSource(source, {
    folder,
    signal,
    ...(exclude === undefined ? {} : { exclude }),
    ...(allow === undefined ? {} : { allow }),
    ...(seen === undefined ? {} : { seen }),
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
  throw sourceChanged(nameOf(source.source), { wanted: digest, found: artifact.digest });
}

function nameOf(source: Source["source"]): string {
  if (typeof source === "string") return source;
  return "image" in source ? source.image : `git ${source.git}`;
}
