import type { ObjectHead } from "./bucket.ts";
import { DIGEST_HEADER } from "./object-headers.ts";
import { isSameFile, isSameHeaders, restored, type SiteFile, type SiteRelease } from "./release.ts";

/** What is live, as far as releases say it: one, or two when a run ended while it moved pages. */
export interface Base {
  readonly from: SiteRelease | null;
  /** The release that a run which did not end was moving to. */
  readonly also: SiteRelease | null;
}

/** One key whose content changes when a release goes live. */
export interface Move {
  readonly path: string;
  /** What may be there before: usually one. */
  readonly was: readonly SiteFile[];
  /** What is there afterwards; undefined when nothing is. */
  readonly to: SiteFile | undefined;
  /** Lower ones go first. */
  readonly wave: number;
}

/** What staging does, so that a release can be moved to and back without its source. */
export interface Staging {
  /** Files that go to keys of their own at once: new names that no page asks for yet. */
  readonly creates: readonly SiteFile[];
  /** Files that go where nobody looks; one of each content. */
  readonly uploads: readonly SiteFile[];
  /** Files of the live release whose bytes are under their own keys alone, and are about to be replaced. */
  readonly keeps: readonly SiteFile[];
}

/** The new release as it is stored: new assets in place, everything else as a blob. */
export function settle(wanted: SiteRelease, { from, also }: Base): SiteRelease {
  const files = wanted.files.map((file) => {
    const known = [from?.byPath.get(file.path), also?.byPath.get(file.path)].filter(
      (one) => one !== undefined,
    );
    if (known.length === 0) return file;
    const inPlace = known.every((one) => one.inPlace && isSameFile(one, file));
    return inPlace === file.inPlace ? file : { ...file, inPlace };
  });
  return restored(wanted, files);
}

/** What is to be sent and copied before anything moves. */
export function stagingOf(to: SiteRelease, base: Base, entries: readonly string[]): Staging {
  const bases = [base.from, base.also].filter((release) => release !== null);
  const blobs = new Set(
    (base.from?.files ?? []).filter(({ inPlace }) => !inPlace).map(({ sha256 }) => sha256),
  );
  const isNew = ({ sha256 }: SiteFile): boolean => blobs.size < blobs.add(sha256).size;
  const moves = movesOf(to, base, entries);
  const moved = new Set(moves.map(({ path }) => path));
  return {
    keeps: bases
      .flatMap(({ files }) => files.filter(({ path, inPlace }) => inPlace && moved.has(path)))
      .filter(isNew),
    uploads: moves.flatMap((move) => move.to ?? []).filter(isNew),
    creates: to.files.filter(
      ({ path, inPlace }) => inPlace && bases.every(({ byPath }) => !byPath.has(path)),
    ),
  };
}

/** The keys that activating changes, in the order in which it does: what is asked for first comes last. */
export function movesOf(to: SiteRelease, base: Base, entries: readonly string[]): readonly Move[] {
  const bases = [base.from, base.also].filter((release) => release !== null);
  const knownAs = (path: string): SiteFile[] =>
    bases.flatMap(({ byPath }) => byPath.get(path) ?? []);
  const replaced = to.files.flatMap((file): Move[] => {
    const was = knownAs(file.path);
    const isThere = base.from?.byPath.has(file.path) === true || file.inPlace;
    if (isThere && was.every((one) => isSameFile(one, file))) return [];
    return [{ path: file.path, was, to: file, wave: waveOf(file.path, entries) }];
  });
  // assets stay: open pages may ask for them
  const gone = bases
    .flatMap(({ files }) => files.filter(({ inPlace }) => !inPlace))
    .filter(({ path }) => !to.byPath.has(path));
  const removed = [...new Set(gone.map(({ path }) => path))].map((path): Move => ({
    path,
    was: knownAs(path),
    to: undefined,
    wave: LAST,
  }));
  return [...replaced, ...removed].toSorted((a, b) => a.wave - b.wave);
}

/** The way back from a release to what was live before it. */
export function returnsOf(
  to: SiteRelease,
  base: Base,
  entries: readonly string[],
): readonly Move[] {
  const moves = movesOf(to, base, entries).map((move): Move => {
    const was = [move.to, base.also?.byPath.get(move.path)].filter((file) => file !== undefined);
    const before = base.from?.byPath.get(move.path);
    const wave = before === undefined ? LAST : waveOf(move.path, entries);
    return { path: move.path, was, to: before, wave };
  });
  return moves.toSorted((a, b) => a.wave - b.wave);
}

/** The file whose content an object holds; undefined when it holds none of them. */
export function whichOf(head: ObjectHead, files: readonly SiteFile[]): SiteFile | undefined {
  const same = files.filter(
    ({ sha256, size }) => head.headers[DIGEST_HEADER] === sha256 && head.size === size,
  );
  const { [DIGEST_HEADER]: _, ...headers } = head.headers;
  return same.find((file) => isSameHeaders(file.headers, headers)) ?? same[0];
}

/** Headers that a file is stored with: its own, and the mark that it is ours. */
export function storedHeaders({ headers, sha256 }: SiteFile): Record<string, string> {
  return { ...headers, [DIGEST_HEADER]: sha256 };
}

/** Removals come when no page that goes live names them any more. */
const LAST = Number.MAX_SAFE_INTEGER;

/** When it is the turn of a path: resources, then pages, then the entries in their order. */
function waveOf(path: string, entries: readonly string[]): number {
  const entry = entries.indexOf(path);
  if (entry !== -1) return 2 + entry;
  return /\.html?$/i.test(path) ? 1 : 0;
}
