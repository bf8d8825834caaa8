import { type ErrorCatalogue, LockstepError } from "@lockstep/plugin";
import type { GuardName, Offender } from "./guards.ts";
import { shown } from "./names.ts";

/** Most offenders a message lists. */
const MOST_LISTED = 50;

/** Every code this package may raise, besides `SOURCE_CHANGED` of the contract. */
export const artifactErrors: ErrorCatalogue = {
  GIT_FAILED: {
    when: "Git was started and could not do what was asked.",
    why: "The source is a commit, and its contents come from git alone.",
    fix: "Run the command of the message by hand, as the user that runs Lockstep.",
  },
  GIT_MISSING: {
    when: "The source is a commit and there is no git program on the path.",
    why: "The contents of a commit come from git alone.",
    fix: "Install git where Lockstep runs, or name a directory as the source.",
  },
  GIT_REPOSITORY_MISSING: {
    when: "The source is a commit and its folder is in no repository that git reads.",
    why: "Without a repository there is no commit.",
    fix: "Check the repository out in CI; where git mentions ownership, add the folder to safe.directory.",
  },
  GIT_REVISION_MISSING: {
    when: "The repository does not have the commit, or the commit does not have the directory.",
    why: "Only what is committed is deployed from git.",
    fix: "Commit the files; in CI fetch the branch or tag before the deploy.",
  },
  MANIFEST_INVALID: {
    when: "The text of a manifest is not one that Lockstep wrote.",
    why: "What a release holds is decided by its manifest; a damaged one cannot be trusted.",
    fix: "Deploy the release again. Where that does not help, look at who else writes on the target.",
  },
  SOURCE_MISSING: {
    when: "The directory of a source is not there, or is not a directory.",
    why: "There is nothing to deploy.",
    fix: "Build before the deploy, and check the path: it starts at the folder of the config file.",
  },
  SOURCE_REFUSED: {
    when: "A source holds secrets, links that leave it, hostile names or special files, or is too much to be meant.",
    why: "What is deployed can be read by many; a wrong file cannot be taken back.",
    fix: "Exclude what is not meant to be deployed in .lockstepignore or with exclude, or switch the guard off by name with allow.",
  },
  SOURCE_UNREADABLE: {
    when: "A file or directory of a source cannot be read.",
    why: "A release with holes is never deployed.",
    fix: "Give the user that runs Lockstep the right to read it, or exclude it.",
  },
};

/** Git ran and failed. */
export function gitFailed(words: readonly string[], stderr: string): LockstepError {
  return new LockstepError({
    code: "GIT_FAILED",
    message: `\`git ${shown(words.join(" "))}\` failed: ${firstLine(stderr)}`,
    hint: "Try the command by hand, as the user that runs lockstep.",
  });
}

/** There is no git program. */
export function gitMissing(cause: unknown): LockstepError {
  return new LockstepError({
    code: "GIT_MISSING",
    message: "The source is a git commit, and git is not installed here.",
    hint: "Install git, or name a directory as the source.",
    cause,
  });
}

/** The folder is in no repository that git is willing to read. */
export function gitRepositoryMissing(folder: string, stderr: string): LockstepError {
  return new LockstepError({
    code: "GIT_REPOSITORY_MISSING",
    message: `${shown(folder)} is in no git repository that can be read: ${firstLine(stderr)}`,
    hint: "A source { git } needs the repository, with its .git, where lockstep runs.",
  });
}

/**
 * The commit, or the directory in it, does not exist.
 *
 * @param what - `commit "v1"`, `directory "dist" in HEAD`.
 */
export function gitRevisionMissing(what: string, folder: string): LockstepError {
  return new LockstepError({
    code: "GIT_REVISION_MISSING",
    message: `The git repository of ${shown(folder)} has no ${what}.`,
    hint: "Commit it, or fetch it first: CI often checks out a single commit.",
  });
}

/** A line of a manifest, counted from 1, is not what Lockstep writes. */
export function manifestInvalid(line: number, problem: string): LockstepError {
  return new LockstepError({
    code: "MANIFEST_INVALID",
    message: `Line ${line} of the manifest ${problem}.`,
    hint: "It was damaged or written by something else. Deploy the release again.",
  });
}

/** The directory to deploy is not there. */
export function sourceMissing(path: string, found: "nothing" | "not a directory"): LockstepError {
  return new LockstepError({
    code: "SOURCE_MISSING",
    message: `The source ${shown(path)} is ${found === "nothing" ? "not there" : found}.`,
    hint: "Build first; the path starts at the folder of the config file.",
  });
}

/** Guards refused the source. All offenders are counted, the first 50 are listed. */
export function sourceRefused(source: string, offenders: readonly Offender[]): LockstepError {
  const count = offenders.length === 1 ? "1 entry" : `${offenders.length} entries`;
  const inOrder = offenders.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const listed = inOrder.slice(0, MOST_LISTED);
  const lines = listed.map(({ path, reason, guard }) => `  ${path}: ${reason} (${guard})`);
  const more = offenders.length - listed.length;
  if (more > 0) lines.push(`  and ${more} more`);
  return new LockstepError({
    code: "SOURCE_REFUSED",
    message: `The source ${shown(source)} has ${count} that must not be deployed:\n${lines.join("\n")}`,
    hint: refusedHint([...new Set(inOrder.map(({ guard }) => guard))].toSorted()),
  });
}

/** The operating system did not let us read. */
export function sourceUnreadable(path: string, cause: unknown): LockstepError {
  const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "it failed";
  return new LockstepError({
    code: "SOURCE_UNREADABLE",
    message: `${shown(path)} could not be read: ${reason}.`,
    hint: "Let the user that runs lockstep read it, or exclude it.",
    cause,
  });
}

function refusedHint(guards: readonly GuardName[]): string {
  const allow = `allow: [${guards.map((guard) => `"${guard}"`).join(", ")}]`;
  return guards.includes("root")
    ? `Name the folder that holds the built files. If all of it is meant: ${allow}.`
    : `Exclude them in .lockstepignore or with \`exclude\`. If they are meant: ${allow}.`;
}

function firstLine(text: string): string {
  const line = text.trim().split("\n", 1)[0] ?? "";
  return line === "" ? "it said nothing." : `${shown(line.slice(0, 500)).replace(/\.$/, "")}.`;
}
