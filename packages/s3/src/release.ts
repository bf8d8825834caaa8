import { hash } from "node:crypto";
import { gunzipSync, gzipSync } from "node:zlib";
import type { ObjectHeaders } from "./bucket.ts";
import { manifestUnfit } from "./errors.ts";

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
  return {
    ref: refOf(inOrder),
    files: inOrder,
    byPath: new Map(inOrder.map((file) => [file.path, file])),
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

/** What is stored of a release: path, digest, size, number of the headers, 1 when in place. */
type StoredFile = readonly [string, string, number, number, 0 | 1];

interface StoredRelease {
  readonly version: 1;
  readonly made: string;
  readonly headers: readonly ObjectHeaders[];
  readonly files: readonly StoredFile[];
}

/** Writes a release as it is kept in the bucket: compressed, each set of headers once. */
export function encodeRelease({ files, made }: KeptRelease): Uint8Array {
  const numbers = new Map<string, number>();
  const headers: ObjectHeaders[] = [];
  const numberOf = (set: ObjectHeaders): number => {
    const text = JSON.stringify(set);
    const known = numbers.get(text);
    if (known !== undefined) return known;
    numbers.set(text, headers.length);
    return headers.push(set) - 1;
  };
  const stored: StoredRelease = {
    version: 1,
    made,
    files: files.map(({ path, sha256, size, headers: set, inPlace }) => [
      path,
      sha256,
      size,
      numberOf(set),
      inPlace ? 1 : 0,
    ]),
    headers,
  };
  return gzipSync(JSON.stringify(stored));
}

/**
 * Reads what {@link encodeRelease} wrote, from wherever it was.
 *
 * @throws {LockstepError} `S3_MANIFEST` for anything that is not the release of this name
 */
export function decodeRelease(key: string, ref: string, body: Uint8Array): KeptRelease {
  const stored = parse(key, body);
  if (stored.version !== 1) throw manifestUnfit(key, `has the format ${String(stored.version)}`);
  const files = stored.files.map(([path, sha256, size, number, inPlace]): SiteFile => {
    const headers = stored.headers[number] ?? {};
    return { path, sha256, size, headers, inPlace: inPlace === 1 };
  });
  const release = siteRelease(files);
  if (release.ref !== ref) throw manifestUnfit(key, `holds the release ${release.ref}`);
  return { ...release, made: stored.made };
}

function parse(key: string, body: Uint8Array): StoredRelease {
  try {
    const stored = JSON.parse(gunzipSync(body).toString()) as StoredRelease;
    if (Array.isArray(stored.files) && Array.isArray(stored.headers)) return stored;
  } catch (cause) {
    throw manifestUnfit(key, "cannot be read", cause);
  }
  throw manifestUnfit(key, "is no manifest");
}

function refOf(files: readonly SiteFile[]): string {
  const lines = files.map(({ path, sha256, size, headers }) =>
    JSON.stringify([path, sha256, size, headers]),
  );
  return `sha256:${hash("sha256", lines.join("\n"), "hex")}`;
}
