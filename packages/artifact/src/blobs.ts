import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Blob } from "./blob-answers.ts";
import { type BlobBatch, blobBatch } from "./blob-batch.ts";
import { gitFailed } from "./errors.ts";
import { gitWords, startFailure } from "./git-program.ts";

/** Largest blob, in bytes, that is read as a whole by the program that all share. */
const LARGEST_WHOLE = 1024 * 1024;

/** Reads contents from git's object store. */
export interface BlobReader {
  read(blob: Blob, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** All bytes of a small blob. */
  whole(blob: Blob): Promise<Buffer>;
}

/**
 * Reads blobs of the repository of a folder. Starts git when something is to be read and lets it end when
 * nothing is.
 *
 * Small blobs share one `git cat-file --batch`; a large one gets a program of its own, so that a slow
 * consumer of one file never holds up the others.
 */
export function blobReader(folder: string): BlobReader {
  const batch: BlobBatch = blobBatch(folder);
  return {
    whole: (blob) => batch.get(blob),
    async *read(blob, signal) {
      signal?.throwIfAborted();
      if (blob.size > LARGEST_WHOLE) yield* streamed(folder, blob, signal);
      else if (blob.size > 0) yield await batch.get(blob);
    },
  };
}

async function* streamed(
  folder: string,
  { object }: Blob,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const words = ["cat-file", "blob", object];
  const git = spawn("git", gitWords(folder, words), { stdio: ["ignore", "pipe", "ignore"] });
  const closed = once(git, "close");
  closed.catch(() => undefined); // told below, where it is awaited
  try {
    for await (const piece of git.stdout as AsyncIterable<Buffer>) {
      signal?.throwIfAborted();
      yield piece;
    }
    const [code] = (await closed) as [number | null];
    if (code !== 0) throw gitFailed(words, `it ended with ${code ?? "a signal"}`);
  } catch (cause) {
    throw git.pid === undefined ? startFailure(words, cause as Error) : cause;
  } finally {
    git.kill();
    await closed.catch(() => undefined);
  }
}
