import { Readable } from "node:stream";
import { createGunzip, createGzip } from "node:zlib";
import { isLockstepError } from "@lockstep/plugin";
import type { ObjectHeaders } from "./bucket.ts";
import { manifestUnfit } from "./errors.ts";
import { keptRelease, type KeptRelease, type SiteFile, siteRelease } from "./release.ts";

/** What is stored of a file: path, digest, size, number of the headers, 1 when in place. */
type StoredFile = readonly [string, string, number, number, 0 | 1];

/** What is stored of a release, but for its files. */
interface StoredHead {
  readonly version: 1;
  readonly made: string;
  /** Each set once. */
  readonly headers: readonly ObjectHeaders[];
}

/** Files on one line of the text: as many as are held at once. */
const BATCH = 1000;

/** Ends the first line, between the head and the files. */
const HEAD_END = `,"files":[`;

/** Begins the last line. */
const END = "]}";

/** Writes a release as it is kept in the bucket: compressed. */
export async function encodeRelease(release: KeptRelease): Promise<Uint8Array> {
  const packed = Readable.from(storedText(release)).pipe(createGzip());
  const pieces: Uint8Array[] = [];
  for await (const piece of packed) pieces.push(piece as Uint8Array);
  return Buffer.concat(pieces);
}

/** JSON, in lines that can be read one by one: the head, then so many files each, then the end. */
function* storedText({ files, made }: KeptRelease): Generator<string> {
  const numbers = new Map<string, number>();
  const numberOf = (set: ObjectHeaders): number => {
    const text = JSON.stringify(set);
    const known = numbers.get(text) ?? numbers.size;
    numbers.set(text, known);
    return known;
  };
  for (const { headers } of files) numberOf(headers);
  const head = `{"version":1,"made":${JSON.stringify(made)},"headers":[${[...numbers.keys()].join(",")}]`;
  yield `${head}${HEAD_END}\n`;
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
    const comma = at + BATCH < files.length ? "," : "";
    yield `${JSON.stringify(lines).slice(1, -1)}${comma}\n`;
  }
  yield END;
}

/**
 * Reads what {@link encodeRelease} wrote, from wherever it was.
 *
 * @throws {LockstepError} `S3_MANIFEST` for anything that is not the release of this name
 */
export async function decodeRelease(
  key: string,
  ref: string,
  body: Uint8Array,
): Promise<KeptRelease> {
  const { files, made } = await read(key, body).catch((cause: unknown) => {
    throw isLockstepError(cause) ? cause : manifestUnfit(key, "cannot be read", cause);
  });
  const release = siteRelease(files);
  if (release.ref !== ref) throw manifestUnfit(key, `holds the release ${release.ref}`);
  return keptRelease(release, made);
}

async function read(
  key: string,
  body: Uint8Array,
): Promise<{ readonly files: readonly SiteFile[]; readonly made: string }> {
  const files: SiteFile[] = [];
  let head: StoredHead | undefined;
  let isWhole = false;
  for await (const line of linesOf(body)) {
    if (isWhole) throw manifestUnfit(key, "goes on after its end");
    if (head === undefined) head = headOf(key, line);
    else if (line === END) isWhole = true;
    else files.push(...filesOf(line, head));
  }
  if (head === undefined || !isWhole) throw manifestUnfit(key, "is cut off");
  return { files, made: head.made };
}

function headOf(key: string, line: string): StoredHead {
  const stored = JSON.parse(`${line.slice(0, -HEAD_END.length)}}`) as StoredHead;
  if (stored.version !== 1) throw manifestUnfit(key, `has the format ${String(stored.version)}`);
  if (!line.endsWith(HEAD_END) || !Array.isArray(stored.headers))
    throw manifestUnfit(key, "is no manifest");
  return stored;
}

function filesOf(line: string, { headers: sets }: StoredHead): SiteFile[] {
  const stored = JSON.parse(`[${line.replace(/,$/, "")}]`) as StoredFile[];
  return stored.map(([path, sha256, size, number, inPlace]) => {
    const headers = sets[number] ?? {};
    return { path, sha256, size, headers, inPlace: inPlace === 1 };
  });
}

async function* linesOf(body: Uint8Array): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of Readable.from([body]).pipe(createGunzip())) {
    const lines = `${rest}${decoder.decode(piece as Uint8Array, { stream: true })}`.split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  yield rest;
}
