import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { answerReader, type Blob } from "./blob-answers.ts";
import { gitFailed } from "./errors.ts";
import { gitWords, startFailure } from "./git-program.ts";

/** How long git is kept, in milliseconds, after the last blob was read. */
const IDLE_MS = 100;
const WORDS = ["cat-file", "--batch"];

/** Reads small blobs through one program, in the order of the calls. */
export interface BlobBatch {
  get(blob: Blob): Promise<Buffer>;
}

/** Starts `git cat-file --batch` in a folder at the first call, and again after it was idle. */
export function blobBatch(folder: string): BlobBatch {
  let running: Running | undefined;
  return {
    get(blob) {
      if (running === undefined || running.isOver()) running = start(folder);
      return running.ask(blob);
    },
  };
}

interface Running {
  ask(blob: Blob): Promise<Buffer>;
  isOver(): boolean;
}

interface Question {
  readonly blob: Blob;
  resolve(bytes: Buffer): void;
  reject(cause: unknown): void;
}

type GitProcess = ChildProcessByStdio<Writable, Readable, null>;

function start(folder: string): Running {
  const git: GitProcess = spawn("git", gitWords(folder, WORDS), {
    stdio: ["pipe", "pipe", "ignore"],
  });
  const questions: Question[] = [];
  const answers = answerReader();
  let isOver = false;
  let idle: NodeJS.Timeout | undefined;

  const fail = (cause: Error): void => {
    isOver = true;
    clearTimeout(idle);
    git.kill();
    for (const question of questions.splice(0)) question.reject(cause);
  };
  const rest = (): void => {
    isOver = true;
    git.stdin.end();
  };

  git.on("error", (cause) => fail(startFailure(WORDS, cause)));
  git.on("close", () => fail(gitFailed(WORDS, "it ended early")));
  git.stdin.on("error", () => undefined); // "close" follows and tells
  git.stdout.on("data", (piece: Buffer) => {
    answers.add(piece);
    for (let first = questions[0]; first !== undefined; first = questions[0]) {
      const answer = answers.take(first.blob);
      if (answer === undefined) return;
      if (answer === "unexpected") return fail(gitFailed(WORDS, `no ${first.blob.object}`));
      questions.shift();
      first.resolve(answer);
    }
    idle = setTimeout(rest, IDLE_MS);
  });

  return {
    isOver: () => isOver,
    ask: (blob) =>
      new Promise((resolve, reject) => {
        clearTimeout(idle);
        questions.push({ blob, resolve, reject });
        git.stdin.write(`${blob.object}\n`);
      }),
  };
}
