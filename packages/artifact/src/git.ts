import { posix } from "node:path";
import type { SourceOptions, WrittenSource } from "./artifact.ts";
import { blobReader } from "./blobs.ts";
import { gitFailed, gitRepositoryMissing, gitRevisionMissing } from "./errors.ts";
import { runGit } from "./git-program.ts";
import { committedTree } from "./git-tree.ts";
import type { Tree } from "./tree.ts";

const VERIFY = ["rev-parse", "--verify", "--quiet", "--end-of-options"];

/**
 * The tracked files of a commit, as git itself has them: no filters, no working tree.
 *
 * @throws {LockstepError} `GIT_MISSING`, `GIT_REPOSITORY_MISSING`, `GIT_REVISION_MISSING`, `GIT_FAILED`
 */
export async function gitTree(
  { git: revision, directory = "." }: Exclude<WrittenSource, string>,
  { folder, signal }: Pick<SourceOptions, "folder" | "signal">,
): Promise<Tree> {
  const run = (words: readonly string[]) => runGit(words, { folder, signal });

  const prefix = await run(["rev-parse", "--show-prefix"]);
  if (prefix.code !== 0) throw gitRepositoryMissing(folder, prefix.stderr);
  const path = insideRepository(prefix.stdout.toString().replace(/\n$/, ""), directory);

  const commit = await run([...VERIFY, `${revision}^{commit}`]);
  if (commit.code !== 0) throw gitRevisionMissing(`commit ${JSON.stringify(revision)}`, folder);
  const missing = `directory ${JSON.stringify(directory)} in ${revision}`;
  if (path === undefined) throw gitRevisionMissing(missing, folder);
  const object = await run([...VERIFY, `${lineOf(commit.stdout)}:${path}`]);
  const tree = await run([...VERIFY, `${lineOf(object.stdout)}^{tree}`]);
  if (object.code !== 0 || tree.code !== 0) throw gitRevisionMissing(missing, folder);

  const list = ["ls-tree", "-r", "-t", "-z", "-l", "--full-tree", lineOf(tree.stdout)];
  const listed = await run(list);
  if (listed.code !== 0) throw gitFailed(list, listed.stderr);
  const name = `${path === "" ? "." : path} in ${revision}`;
  return committedTree({ name, listing: listed.stdout, blobs: blobReader(folder) });
}

/** Path from the root of the repository; empty for the root itself, undefined when it is outside. */
function insideRepository(prefix: string, directory: string): string | undefined {
  const path = posix.join("/", prefix, directory === "" ? "." : directory);
  const isOutside = posix.join(prefix, directory).split("/")[0] === "..";
  return isOutside ? undefined : path.replace(/^\/|\/$/g, "");
}

function lineOf(output: Buffer): string {
  return output.toString().trim();
}
