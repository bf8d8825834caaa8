import type { Digest } from "./digest.ts";
import type { GuardName } from "./guards.ts";

/**
 * What a user writes as a source.
 *
 * A string is a directory, absolute or relative to the config file's folder. `{ git: "HEAD" }` is the
 * tracked files of that commit, below the config file's folder or below `directory` of it, with the
 * contents they have in the commit, whatever the working tree holds.
 */
export type WrittenSource = string | { readonly git: string; readonly directory?: string };

/** Where a source is and what is left out of it. */
export interface SourceOptions {
  /** Absolute folder of the config file. */
  readonly folder: string;
  /** Rules in the syntax of gitignore; they come after those of `.lockstepignore`, so they win. */
  readonly exclude?: readonly string[];
  /** Guards that are switched off. */
  readonly allow?: readonly GuardName[];
  /**
   * What was found when the same source was read before, with the same options: files are not read again while
   * nobody touched them, and where nothing was touched, the artifact is the one of before. What is read is added.
   *
   * Only for a directory that is read several times in a few seconds: it rests on times that the file system gives.
   */
  readonly seen?: Seen;
  readonly signal?: AbortSignal;
}

/** What is known of a source from the last time that it was read. */
export interface Seen {
  /** Digests of files by path, each with what tells whether it still holds. */
  readonly files: Map<string, { readonly state: string; readonly digest: Digest }>;
  /** What the last reading that came to its end made of all that it saw. */
  last?: { readonly pictures: Pictures; readonly artifact: Artifact };
}

/** By directory all that was in it; undefined where a change might not show. */
export type Pictures = ReadonlyMap<string, string | undefined>;

/** One file, directory or symbolic link of an artifact. */
export type Entry =
  | {
      readonly type: "directory";
      readonly path: string;
      /** Always 0o755. */
      readonly mode: number;
    }
  | {
      readonly type: "file";
      readonly path: string;
      /** 0o755 when its owner may execute it, else 0o644. */
      readonly mode: number;
      /** Bytes. */
      readonly size: number;
      readonly digest: Digest;
    }
  | {
      readonly type: "link";
      readonly path: string;
      /** The text of the link, as it was written. */
      readonly target: string;
    };

/** An entry that has bytes. */
export type FileEntry = Extract<Entry, { readonly type: "file" }>;

/**
 * The list of everything an artifact holds, sorted by the bytes of the paths.
 *
 * Paths are relative, `/`-separated, valid UTF-8, without control characters, backslashes, and empty,
 * `.` or `..` segments. Each directory on the way to an entry is an entry itself.
 */
export type Manifest = readonly Entry[];

/** How a file is read. */
export interface Reading {
  readonly signal?: AbortSignal | undefined;
  /** No piece is needed once the next one is asked for, so that their memory may be used again. */
  readonly isPassing?: boolean;
}

/** What is to be deployed: read and digested once, readable again. */
export interface Artifact {
  readonly manifest: Manifest;
  /** Digest of the manifest's text: equal for equal trees, whatever their times and owners. */
  readonly digest: Digest;
  /** Number of files; directories and links do not count. */
  readonly files: number;
  /** Bytes of all files together. */
  readonly bytes: number;
  /**
   * Reads the bytes of one file again.
   *
   * A consumer must see the end before it trusts what it read: the digest is compared there.
   *
   * @throws {LockstepError} `SOURCE_CHANGED` when they are not the bytes of the manifest.
   * @throws {TypeError} when the manifest has no file of this path.
   */
  open(path: string, reading?: Reading): AsyncIterable<Uint8Array>;
}
