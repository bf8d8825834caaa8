import { hash } from "node:crypto";
import { routesUnfit } from "../errors.ts";
import type { SiteFile, SiteRelease } from "../release.ts";
import { isRedirect, redirectTarget } from "./documents.ts";
import { MISSING_PAGE, type Route, STATUS_HEADER } from "./route.ts";
import { POOLED } from "./shape.ts";

/** A release as the router sees it: a route, and the table it needs. */
export interface Routes {
  readonly route: Route;
  /** Values by their names below `t.<table>.`: parts by their numbers, redirects by their hashes. */
  readonly table: ReadonlyMap<string, string>;
}

/** Characters of one entry: 30 bits, so that a wrong path is taken for a right one once in some millions. */
const ENTRY = 5;

/** Most bytes of a value. @see Amazon CloudFront Developer Guide, "Quotas on key value stores" */
const LONGEST_VALUE = 1024;

/** Most entries of a part. */
const MOST_ENTRIES = Math.floor(LONGEST_VALUE / ENTRY) - 4;

/** Entries of a part that are aimed at: a part takes what chance adds. */
const AIM = 120;

/**
 * Makes the table of a release: hashes of all its documents and redirects, in parts that each fit into a value.
 *
 * Paths that may answer one URL are in the same part, so that the router reads one. Equal sets of paths
 * make equal tables, whatever the documents say.
 *
 * @throws {LockstepError} `S3_ROUTES` when a redirect does not fit
 */
export function routesOf(release: SiteRelease, base: string): Routes {
  const all = release.files.filter(({ inPlace }) => !inPlace);
  const listed = all.filter((file) => !isPattern(file));
  const patterns = all.filter((file) => isPattern(file) && !isFallback(file));
  const fallback = fallbackOf(release);
  const content = all.map((file) => [file.path, isRedirect(file) ? valueOf(file) : ""]);
  const pool = release.files.filter(({ inPlace }) => inPlace).map(({ path }) => path);
  let [salt, parts] = [0, Math.max(1, Math.ceil(listed.length / AIM))];
  for (;;) {
    const made = partsOf(listed, { parts, salt });
    if (made.some((entries) => entries.length > MOST_ENTRIES)) parts += 1;
    else if (pool.some((path) => isListed(made, { path, parts, salt }))) salt += 1;
    else {
      const name = hash("sha256", JSON.stringify([content, parts, salt]), "hex").slice(0, 24);
      const id = release.ref.replace("sha256:", "");
      return {
        route: {
          version: 1,
          base,
          id,
          table: name,
          parts,
          salt,
          fallback,
          patterns: patterns.length > 0,
        },
        table: new Map([
          ...textsOf(made),
          ...listed.filter(isRedirect).map(redirectEntry),
          ...patternEntries(patterns),
        ]),
      };
    }
  }
}

/** What a path has in common with all that may answer the same URL. */
export function stemOf(path: string): string {
  return path
    .replace(/(^|\/)index\.html$/, "")
    .replace(/\.html$/, "")
    .replace(/\/$/, "");
}

/** Tells whether the router looks for a path in the pool, when it is no document of the release. */
export function isPooled(path: string): boolean {
  return POOLED.test(path);
}

interface Making {
  readonly parts: number;
  readonly salt: number;
}

function partsOf(files: readonly SiteFile[], { parts, salt }: Making): readonly string[][] {
  const made = Array.from({ length: parts }, (): string[] => []);
  for (const file of files) {
    const entry = entryOf(isRedirect(file) ? ">" : "=", file.path, salt);
    made[partOf(file.path, parts)]?.push(entry);
  }
  return made;
}

function partOf(path: string, parts: number): number {
  return Number.parseInt(hash("sha256", stemOf(path), "hex").slice(0, 8), 16) % parts;
}

function entryOf(kind: "=" | ">", path: string, salt: number): string {
  return hash("sha256", `${salt}${kind}${path}`, "base64").slice(0, ENTRY);
}

function isListed(
  made: readonly string[][],
  { path, parts, salt }: Making & { readonly path: string },
): boolean {
  const entries = made[partOf(path, parts)] ?? [];
  return entries.includes(entryOf("=", path, salt)) || entries.includes(entryOf(">", path, salt));
}

/** A part without entries says so: a part that cannot be read is no proof that a page is missing. */
function textsOf(made: readonly string[][]): [string, string][] {
  return made.map((entries, index) => [String(index), entries.toSorted().join("") || "-"]);
}

function redirectEntry(file: SiteFile): [string, string] {
  const value = valueOf(file);
  if (Buffer.byteLength(value) > LONGEST_VALUE) {
    throw routesUnfit(`the redirect of ${file.path} is longer than ${LONGEST_VALUE} bytes`);
  }
  return [`r${hash("sha256", file.path, "hex").slice(0, 24)}`, value];
}

/** Redirects from all below a folder, the longest folder first: the router takes the first that fits. */
function patternEntries(patterns: readonly SiteFile[]): [string, string][] {
  if (patterns.length === 0) return [];
  const lines = patterns
    .toSorted((a, b) => b.path.length - a.path.length || (a.path < b.path ? -1 : 1))
    .map((file) => `${encodeURI(file.path.slice(0, -1))} ${valueOf(file)}`);
  const value = lines.join("\n");
  if (Buffer.byteLength(value) > LONGEST_VALUE) {
    const problem = `redirects from whole folders take more than ${LONGEST_VALUE} bytes`;
    throw routesUnfit(problem);
  }
  return [["w", value]];
}

function isPattern(file: SiteFile): boolean {
  return isRedirect(file) && file.path.endsWith("*");
}

function isFallback(file: SiteFile): boolean {
  return isPattern(file) && file.headers[STATUS_HEADER] === "200";
}

/** What an application of one page says comes in place of every page, else the page for what is missing. */
function fallbackOf({ files, byPath }: SiteRelease): string {
  const rule = files.find(isFallback);
  if (rule === undefined) return byPath.has(MISSING_PAGE) ? MISSING_PAGE : "";
  const path = decodeURI(redirectTarget(rule) ?? "").slice(1);
  const document = path === "" ? "index.html" : path;
  if (byPath.get(document)?.inPlace === false) return document;
  throw routesUnfit(`there is no page ${document} to answer for all others`);
}

/** Status and target of a redirect, as the router reads them. */
function valueOf(file: SiteFile): string {
  return `${file.headers[STATUS_HEADER] ?? "301"} ${redirectTarget(file) ?? ""}`;
}
