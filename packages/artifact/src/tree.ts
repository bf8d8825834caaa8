import type { Reading } from "./artifact.ts";

/** One name in a directory of a tree, before anybody judged it. */
export type Child = { readonly name: Uint8Array } & (
  | { readonly kind: "directory" }
  | {
      readonly kind: "file";
      readonly size: number;
      readonly executable: boolean;
      /** Another one whenever the file is written to or replaced; undefined where that cannot be told. */
      readonly state?: string | undefined;
    }
  | { readonly kind: "link"; readonly target: Uint8Array }
  /** Cannot be shipped; `what` names it: `a socket`. */
  | { readonly kind: "special"; readonly what: string }
);

/** A file to be read, with the size in bytes that it had when it was listed. */
export interface SizedFile {
  readonly path: string;
  readonly size: number;
}

/** The port to where a source comes from: a directory of this machine, a commit. */
export interface Tree {
  /** What messages call it. */
  readonly name: string;
  /** Names directly in a directory, in any order; the root is the empty path. */
  children(directory: string): Promise<readonly Child[]>;
  /**
   * The bytes of a file, in pieces of at most 1 MiB.
   *
   * @throws {LockstepError} `SOURCE_CHANGED` when the file has another size, at the end at the latest.
   */
  read(file: SizedFile, reading?: Reading): AsyncIterable<Uint8Array>;
}
