import type { S3Settings } from "./options.ts";

/** The only place where keys are built. */
export interface Layout {
  /** The control object: which release is live. */
  readonly current: string;
  /** Prefix of all manifests. */
  readonly releases: string;
  /** Manifest of a release. */
  release(ref: string): string;
  /** Bytes of a file that has no key of its own for ever. */
  blob(sha256: string): string;
  /** Where visitors find a file. */
  live(path: string): string;
  /** The release whose manifest has this key; undefined for any other key. */
  refOf(releaseKey: string): string | undefined;
}

/**
 * Keys of a site: its files under the prefix, and below `.lockstep/` the control object `current.json`,
 * `releases/<digest>.json.gz` and `blobs/<digest>`.
 */
export function layoutOf({ prefix, state }: Pick<S3Settings, "prefix" | "state">): Layout {
  const releases = `${state}releases/`;
  return {
    current: `${state}current.json`,
    releases,
    release: (ref) => `${releases}${ref.replace("sha256:", "")}.json.gz`,
    blob: (sha256) => `${state}blobs/${sha256}`,
    live: (path) => `${prefix}${path}`,
    refOf(key) {
      const digest = /^([0-9a-f]{64})\.json\.gz$/.exec(key.slice(releases.length))?.[1];
      return digest === undefined ? undefined : `sha256:${digest}`;
    },
  };
}

/** ETag of no object: a write under this condition never happens. */
export const ABSENT_ETAG = '"00000000000000000000000000000000"';
