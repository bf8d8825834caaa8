import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { gitFailed } from "./errors.ts";
import { gitWords, startFailure } from "./git-program.ts";

/** How long git is kept, in milliseconds, after the last blob was read. */
const IDLE_MS = 100;
/** Longer, in bytes, than the first line of any answer. */
const LONGEST_HEAD = 128;
const WORDS = ["cat-file", "--batch"];

/** A blob as git lists it. */
export interface Blob {
  /** Its name: 40 or 64 hex digits. */
  readonly object: string;
  /** Bytes. */
  readonly size: number;
}

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

/**
 * Cuts git's output into answers: `OBJECT blob SIZE`, a line feed, the bytes, a line feed.
 *
 * @see git-cat-file(1), "BATCH OUTPUT"
 */
function answerReader(): {
  add(piece: Buffer): void;
  /** The bytes of this blob; undefined until all are there. */
  take(blob: Blob): Buffer | "unexpected" | undefined;
} {
  let pieces: Buffer[] = [];
  let held = 0;

  return {
    add(piece) {
      const [first, ...others] = pieces;
      const isShort = first !== undefined && others.length === 0 && first.length < LONGEST_HEAD;
      pieces = isShort ? [Buffer.concat([first, piece])] : [...pieces, piece];
      held += piece.length;
    },
    take({ object, size }) {
      const head = Buffer.from(`${object} blob ${size}\n`);
      const end = head.length + size;
      const opening = pieces[0]?.subarray(0, head.length) ?? Buffer.alloc(0);
      if (!opening.equals(head.subarray(0, opening.length))) return "unexpected";
      if (held <= end) return undefined;

      const bytes = Buffer.concat(pieces, held);
      held -= end + 1;
      pieces = held === 0 ? [] : [bytes.subarray(end + 1)];
      return bytes.subarray(head.length, end);
    },
  };
}
