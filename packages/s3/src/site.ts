import { type Artifact, type FileEntry, type GuardName, readSource } from "@lockstep/artifact";
import type { TargetContext } from "@lockstep/plugin";
import { looksDigested } from "./assets.ts";
import { keysUnfit, siteEmpty } from "./errors.ts";
import { headerPolicy } from "./headers.ts";
import type { S3Settings, SiteGuard } from "./options.ts";
import { matcher } from "./pattern.ts";
import { type References, readReferences } from "./references.ts";
import { type SiteFile, type SiteRelease, siteRelease } from "./release.ts";

/** What is to be deployed: a release, and where its bytes are read again. */
export interface Site {
  readonly release: SiteRelease;
  /** The bytes of one file, whose digest is compared. */
  read(file: SiteFile, signal?: AbortSignal): Promise<Uint8Array>;
  readonly references: References;
}

/** Longest key, in bytes. */
const LONGEST_KEY = 1024;

/**
 * Reads the source, and decides for each file its headers and whether it is an asset.
 *
 * @throws {LockstepError} `S3_EMPTY`, `S3_KEY`, `S3_HEADERS_FILE`, and what reading a source raises
 */
export async function readSite(settings: S3Settings, ctx: TargetContext): Promise<Site> {
  const artifact = await readSource(settings.source, {
    folder: ctx.folder,
    exclude: settings.exclude,
    allow: settings.allow.filter(isSourceGuard),
    signal: ctx.signal,
  });
  const entries = filesOf(artifact);
  refuseEmpty(settings, entries);
  refuseKeys(settings, artifact);
  const read = (path: string, signal?: AbortSignal): Promise<Uint8Array> =>
    collect(artifact.open(path, signal));
  const references = await readReferences(entries, (path) => read(path, ctx.signal));
  return {
    release: releaseOf(settings, entries, references),
    references,
    read: ({ path }, signal) => read(path, signal),
  };
}

function releaseOf(
  settings: S3Settings,
  entries: readonly FileEntry[],
  references: References,
): SiteRelease {
  const policy = headerPolicy(settings.headers);
  const excluded = settings.assets.exclude.map((pattern) => matcher(pattern));
  return siteRelease(
    entries.map(({ path, digest, size }): SiteFile => {
      const isExcluded = excluded.some((matches) => matches(path));
      const isAsset = !isExcluded && looksDigested(path) && references.isNamed(path);
      const sha256 = digest.slice("sha256:".length);
      return { path, sha256, size, headers: policy({ path, isAsset }), inPlace: isAsset };
    }),
  );
}

function filesOf({ manifest }: Artifact): FileEntry[] {
  return manifest.filter((entry) => entry.type === "file");
}

function refuseEmpty({ source, allow }: S3Settings, entries: readonly FileEntry[]): void {
  if (allow.includes("empty")) return;
  const name = typeof source === "string" ? source : source.git;
  if (entries.length === 0) throw siteEmpty(name, "file");
  if (!entries.some(({ path }) => /\.html?$/i.test(path))) throw siteEmpty(name, "page");
}

function refuseKeys({ prefix, state }: S3Settings, { manifest }: Artifact): void {
  const problems = manifest.flatMap(({ type, path }) => {
    const key = `${prefix}${path}`;
    if (type === "link") return [`${path} (a symbolic link)`];
    if (type === "directory") return [];
    if (key.startsWith(state)) return [`${path} (Lockstep keeps its own objects there)`];
    const isLong = Buffer.byteLength(key) > LONGEST_KEY;
    return isLong ? [`${path} (longer than ${LONGEST_KEY} bytes)`] : [];
  });
  if (problems.length > 0) throw keysUnfit(problems);
}

function isSourceGuard(guard: GuardName | SiteGuard): guard is GuardName {
  return guard !== "empty" && guard !== "shrink" && guard !== "references";
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  const [only] = all;
  return all.length === 1 && only !== undefined ? only : Buffer.concat(all);
}
