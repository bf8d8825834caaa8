import { execFile, type ExecFileException } from "node:child_process";
import { gitFailed, gitMissing } from "./errors.ts";

/** Most bytes git may print: a list of about a million files. */
const MOST_OUTPUT = 256 * 1024 * 1024;

/** What git answered. */
export interface GitAnswer {
  /** 0 when it did what was asked. */
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Where git runs. */
export interface GitOptions {
  readonly folder: string;
  readonly signal?: AbortSignal | undefined;
}

/** The words that start git in a folder. Replaced objects would be another commit's contents. */
export function gitWords(folder: string, words: readonly string[]): string[] {
  return ["--no-replace-objects", "-C", folder, ...words];
}

/**
 * Runs git without a shell. A failure of git is an answer too.
 *
 * @throws {LockstepError} `GIT_MISSING`, and `GIT_FAILED` when it ended without an exit code.
 */
export function runGit(
  words: readonly string[],
  { folder, signal }: GitOptions,
): Promise<GitAnswer> {
  return new Promise((resolve, reject) => {
    const options = {
      encoding: "buffer",
      maxBuffer: MOST_OUTPUT,
      ...(signal && { signal }),
    } as const;
    execFile("git", gitWords(folder, words), options, (error, stdout, bytes) => {
      const stderr = bytes.toString();
      const code = error === null ? 0 : error.code;
      if (typeof code === "number") resolve({ code, stdout, stderr });
      else reject(startFailure(words, error));
    });
  });
}

/** The error for a git that did not start or was stopped. */
export function startFailure(words: readonly string[], cause: ExecFileException | null): Error {
  if (cause?.code === "ENOENT") return gitMissing(cause);
  if (cause?.name === "AbortError") return cause;
  return gitFailed(words, cause?.message ?? "");
}
