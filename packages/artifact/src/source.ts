import { lstat, realpath, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { sourceChanged } from "@lockstep/plugin";
import type {
  Artifact,
  Entry,
  FileEntry,
  Reading,
  Seen,
  SourceOptions,
  WrittenSource,
} from "./artifact.ts";
import { type Digest, digester } from "./digest.ts";
import { directoryTree } from "./directory.ts";
import { sourceMissing, sourceRefused, sourceUnreadable } from "./errors.ts";
import { gitTree } from "./git.ts";
import { type Verdict, verdict as noVerdict } from "./guards.ts";
import { IGNORE_FILE, ignoreRules } from "./ignore.ts";
import { indexIn, manifestDigest, sorted } from "./manifest.ts";
import { shown } from "./names.ts";
import { eachOf } from "./parallel.ts";
import { secretScan } from "./secrets.ts";
import { asSeen, pictured } from "./seen.ts";
import type { Tree } from "./tree.ts";
import { type FoundFile, walk } from "./walk.ts";

/** Files that are read at the same time. */
const PARALLEL = 8;

/**
 * Walks, guards and digests a source. Reads every byte once.
 *
 * The same content gives the same artifact: times, owners and all modes but "may be executed" do not
 * count, and neither does whether it came from a directory or from git.
 *
 * @throws {LockstepError} `SOURCE_MISSING`, `SOURCE_REFUSED` with every offending path,
 *   `SOURCE_UNREADABLE`, `SOURCE_CHANGED` when a file changes while it is read, and for a git source
 *   `GIT_MISSING`, `GIT_REPOSITORY_MISSING`, `GIT_REVISION_MISSING`, `GIT_FAILED`.
 */
export async function readSource(source: WrittenSource, options: SourceOptions): Promise<Artifact> {
  const verdict = noVerdict(options.allow);
  const found =
    typeof source === "string"
      ? await chosenDirectory(resolve(options.folder, source), verdict, options)
      : await gitTree(source, options);
  const { signal, seen } = options;
  const before = seen === undefined ? undefined : await asSeen(found, seen);
  if (before !== undefined) return before;
  const { tree, pictures } = pictured(found);
  const isIgnored = ignoreRules(await ignoreText(tree, verdict), options.exclude);
  const { directories, files, links } = await walk(tree, { ...options, isIgnored, verdict });
  const entries: Entry[] = [];
  for (const path of directories) entries.push({ type: "directory", path, mode: 0o755 });
  for (const [path, target] of links) entries.push({ type: "link", path, target });
  await digestFiles(tree, files, { verdict, signal, seen, entries });
  if (verdict.offenders.length > 0) throw sourceRefused(tree.name, verdict.offenders);
  const artifact = artifactOf(found, entries);
  if (seen !== undefined) seen.last = { pictures, artifact };
  return artifact;
}

async function chosenDirectory(
  path: string,
  verdict: Verdict,
  { seen }: SourceOptions,
): Promise<Tree> {
  const real = await existing(path);
  const reason = await rootProblem(real);
  if (reason !== undefined && verdict.refuse({ path: shown(real), guard: "root", reason })) {
    throw sourceRefused(path, verdict.offenders);
  }
  return directoryTree(real, path, { hasStates: seen !== undefined });
}

async function existing(path: string): Promise<string> {
  try {
    const real = await realpath(path);
    if ((await stat(real)).isDirectory()) return real;
  } catch (cause) {
    const isGone = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    throw isGone ? sourceMissing(path, "nothing") : sourceUnreadable(path, cause);
  }
  throw sourceMissing(path, "not a directory");
}

async function rootProblem(path: string): Promise<string | undefined> {
  if (path === "/") return "it is the root of the file system";
  if (path === (await home())) return "it is the home directory";
  const hasGit = await lstat(join(path, ".git")).then(
    () => true,
    () => false,
  );
  return hasGit ? "it is the root of a git repository" : undefined;
}

async function home(): Promise<string | undefined> {
  try {
    return await realpath(homedir());
  } catch {
    return undefined; // a user without a home, as in many containers
  }
}

async function ignoreText(tree: Tree, verdict: Verdict): Promise<string> {
  const children = await tree.children("");
  const file = children.find(({ name }) => Buffer.from(name).toString() === IGNORE_FILE);
  if (file === undefined) return "";
  if (file.kind !== "file") {
    const reason = "it is no regular file, and its rules would not count";
    verdict.refuse({ path: IGNORE_FILE, guard: "special", reason });
    return "";
  }
  const pieces: Uint8Array[] = [];
  for await (const piece of tree.read({ path: IGNORE_FILE, size: file.size })) pieces.push(piece);
  return new TextDecoder().decode(Buffer.concat(pieces));
}

/** How files are digested. */
interface Digesting {
  readonly verdict: Verdict;
  readonly signal: AbortSignal | undefined;
  readonly seen: Seen | undefined;
  /** Where the entries of files go. */
  readonly entries: Entry[];
}

async function digestFiles(tree: Tree, files: readonly FoundFile[], how: Digesting): Promise<void> {
  await eachOf(files, PARALLEL, async (file) => {
    const { path, size, executable } = file;
    const before = how.seen?.files.get(path);
    const isSame = before !== undefined && before.state === file.state;
    const digest = isSame ? before.digest : await digestFile(tree, file, how);
    how.entries.push({ type: "file", path, mode: executable ? 0o755 : 0o644, size, digest });
  });
}

async function digestFile(
  tree: Tree,
  { path, size, state }: FoundFile,
  { verdict, signal, seen }: Digesting,
): Promise<Digest> {
  const scan = verdict.isOn("secrets") ? secretScan(path, size) : undefined;
  const sum = digester(size);
  for await (const piece of tree.read({ path, size }, { signal, isPassing: true })) {
    sum.update(piece);
    scan?.update(piece);
  }
  const reason = scan?.reason();
  const digest = sum.digest();
  if (reason !== undefined) verdict.refuse({ path: shown(path), guard: "secrets", reason });
  else if (state !== undefined) seen?.files.set(path, { state, digest });
  return digest;
}

function artifactOf(tree: Tree, entries: readonly Entry[]): Artifact {
  const manifest = sorted(entries);
  let [files, bytes] = [0, 0];
  for (const entry of manifest) {
    if (entry.type !== "file") continue;
    files += 1;
    bytes += entry.size;
  }
  return {
    manifest,
    digest: manifestDigest(manifest),
    files,
    bytes,
    open(path, reading = {}) {
      const file = manifest[indexIn(manifest, path)];
      if (file?.type !== "file") throw new TypeError(`The artifact has no file ${shown(path)}.`);
      return verified(tree, file, reading);
    },
  };
}

async function* verified(
  tree: Tree,
  file: FileEntry,
  reading: Reading,
): AsyncGenerator<Uint8Array> {
  const sum = digester(file.size);
  for await (const piece of tree.read(file, reading)) {
    sum.update(piece);
    yield piece;
  }
  const found = sum.digest();
  if (found !== file.digest) throw sourceChanged(file.path, { wanted: file.digest, found });
}
