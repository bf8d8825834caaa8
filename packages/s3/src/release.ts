import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { createGzip, gunzipSync } from "node:zlib";
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

/** What is stored of a release: path, digest, size, number of the headers, 1 when in place. */
type StoredFile = readonly [string, string, number, number, 0 | 1];

interface StoredRelease {
  readonly version: 1;
  readonly made: string;
  readonly headers: readonly ObjectHeaders[];
  readonly files: readonly StoredFile[];
}

/** Writes a release as it is kept in the bucket: compressed, each set of headers once. */
export async function encodeRelease(release: KeptRelease): Promise<Uint8Array> {
  const packed = Readable.from(storedText(release)).pipe(createGzip());
  const pieces: Uint8Array[] = [];
  for await (const piece of packed) pieces.push(piece as Uint8Array);
  return Buffer.concat(pieces);
}

/** Files whose text is held at once. */
const BATCH = 1000;

/** A {@link StoredRelease} as JSON, piece by piece. */
function* storedText({ files, made }: KeptRelease): Generator<string> {
  const numbers = new Map<string, number>();
  const numberOf = (set: ObjectHeaders): number => {
    const text = JSON.stringify(set);
    const known = numbers.get(text) ?? numbers.size;
    numbers.set(text, known);
    return known;
  };
  yield `{"version":1,"made":${JSON.stringify(made)},"files":[`;
  for (let at = 0; at < files.length; at += BATCH) {
    const lines = files
      .slice(at, at + BATCH)
      .map(({ path, sha256, size, headers, inPlace }): StoredFile => [
        path,
        sha256,
        size,
        numberOf(headers),
        inPlace ? 1 : 0,
      ]);
    yield `${at === 0 ? "" : ","}${JSON.stringify(lines).slice(1, -1)}`;
  }
  yield `],"headers":[${[...numbers.keys()].join(",")}]}`;
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
  return keptRelease(release, stored.made);
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
  const sum = createHash("sha256");
  for (let at = 0; at < files.length; at += BATCH) {
    const lines = files
      .slice(at, at + BATCH)
      .map(({ path, sha256, size, headers }) => JSON.stringify([path, sha256, size, headers]));
    sum.update(`${at === 0 ? "" : "\n"}${lines.join("\n")}`);
  }
  return `sha256:${sum.digest("hex")}`;
}
