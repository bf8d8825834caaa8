import { createHash } from "node:crypto";
import type { ObjectHeaders } from "./bucket.ts";

/** One object of a site. */
export interface SiteFile {
  /** Relative to the prefix of the site. */
  readonly path: string;
  /** 64 hex digits. */
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
  /** In the order of their names. */
  readonly headers: ObjectHeaders;
  /** Its bytes are under its own key alone, put there once; otherwise they are kept as a blob, too. */
  readonly inPlace: boolean;
}

/** Everything that a release of a site is: files in the order of their paths, and the name of it all. */
export interface SiteRelease {
  /** `sha256:…` of paths, digests, sizes and headers: equal builds are one release. */
  readonly ref: string;
  readonly files: readonly SiteFile[];
  readonly byPath: ReadonlyMap<string, SiteFile>;
}

/** A release as it is kept: with what it was made of, so that the same source is known again. */
export interface KeptRelease extends SiteRelease {
  /** 64 hex digits. */
  readonly made: string;
}

/** Makes a release of files in any order. */
export function siteRelease(files: readonly SiteFile[]): SiteRelease {
  const inOrder = files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  return releaseOf(refOf(inOrder), inOrder);
}

/** The same release, whose files are stored in other ways. */
export function restored(release: SiteRelease, files: readonly SiteFile[]): SiteRelease {
  const isSame = files.every((file, at) => file === release.files[at]);
  return isSame ? release : releaseOf(release.ref, files);
}

/** A release with what it was made of. */
export function keptRelease(release: SiteRelease, made: string): KeptRelease {
  const { ref, files } = release;
  return {
    ref,
    files,
    made,
    get byPath() {
      return release.byPath;
    },
  };
}

/** Paths are looked up in few releases, and a site may have many files. */
function releaseOf(ref: string, files: readonly SiteFile[]): SiteRelease {
  let byPath: ReadonlyMap<string, SiteFile> | undefined;
  return {
    ref,
    files,
    get byPath() {
      return (byPath ??= new Map(files.map((file) => [file.path, file])));
    },
  };
}

/** Tells whether two files are the same to visitors. */
export function isSameFile(left: SiteFile | undefined, right: SiteFile | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  return left.sha256 === right.sha256 && isSameHeaders(left.headers, right.headers);
}

/** Tells whether two sets of headers are the same. */
export function isSameHeaders(left: ObjectHeaders, right: ObjectHeaders): boolean {
  if (left === right) return true;
  const names = Object.keys(left);
  return (
    names.length === Object.keys(right).length && names.every((name) => left[name] === right[name])
  );
}

/** Files whose text is held at once. */
const BATCH = 1000;

function refOf(files: readonly SiteFile[]): string {
  const sum = createHash("sha256");
  for (let at = 0; at < files.length; at += BATCH) {
    const lines = files
      .slice(at, at + BATCH)
      .map(({ path, sha256, size, headers }) => JSON.stringify([path, sha256, size, headers]));
    sum.update(`${at === 0 ? "" : "\n"}${lines.join("\n")}`);
  }
  return `sha256:${sum.digest("hex")}`;
}
