import { matcher } from "./rules/pattern.ts";

/** Digits and letters of hexadecimal numbers, both. */
const HEX = String.raw`(?=\d*[a-f])(?=[a-f]*\d)[0-9a-f]{8,64}`;

/** Digits alone, as one of forty short digests is; not where they may be a counter or a date. */
const DIGITS = String.raw`(?<=\.)(?!(?:19|20)\d\d(?:0[1-9]|1[0-2]))\d{8,64}`;

/** Capitals with digits, as esbuild writes them. */
const CAPITALS = String.raw`(?=\w*\d)(?=\w*[A-Z])[0-9A-Z]{8,32}`;

/** Both cases with digits, as Vite and Rollup write them. */
const MIXED = String.raw`(?=\w*\d)(?=\w*[a-z])(?=\w*[A-Z])\w{8,32}`;

/** Between separators. Small letters of all kinds with digits are no digest: `what3words.svg` is a name. */
const DIGEST = new RegExp(`(?:^|[._-])(${HEX}|${DIGITS}|${CAPITALS}|${MIXED})(?=[._-])`);

/** Scripts, styles and their maps: a part with a capital at the end of the name, of digits or not. */
const CODE = /(?:^|[._-])(?=[\w-]*[A-Z])[\w-]{8,32}\.(?:m?js|css|wasm)(?:\.map)?$/;

/** Pictures, fonts and sounds: a part of eight with a capital, and no plain word. */
const MEDIA =
  /(?:^|[._-])(?=[\w-]*[A-Z])(?![A-Z]?[a-z]+\.)[\w-]{8}\.(?:avif|eot|gif|ico|jpe?g|json|mp[34]|og[gv]|otf|png|svg|ttf|web[mp]|woff2?)$/;

/** What may be a digest alone: the last eight before the ending. */
const LAST_EIGHT = /[._-]([\w-]{8})\.\w+(?:\.map)?$/;

/** Names that bundlers and tools never give a digest, however they look. */
const NEVER = /\.html?$/i;

/**
 * Tells whether a name looks as if it held a digest of the content: `app.3f9c2d1a.js`, `index-BxZ81kQa.css`.
 *
 * The name alone does not make an asset: a page or another asset must refer to it, too.
 */
export function looksDigested(path: string): boolean {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return !NEVER.test(name) && DIGEST.test(name);
}

/**
 * Tells whether a name may hold a digest that is a word as well: a third of the digests of Vite have no digit,
 * `index-LbhczWro.js`, and a fifth of esbuild's, `chunk-UEZQHOAR.js`. `MyComponent.js` looks like that, too.
 */
export function mayBeDigested(path: string): boolean {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return looksDigested(path) || CODE.test(name) || MEDIA.test(name);
}

/** The names under which texts refer to a file: its own, or its digest alone where a script puts names together. */
export function namesOf(path: string): readonly string[] {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const digest = (DIGEST.exec(name) ?? (mayBeDigested(path) ? LAST_EIGHT.exec(name) : null))?.[1];
  return [name, encodeURIComponent(name), ...(digest === undefined ? [] : [digest])];
}

/** An asset never changes under its name; what may be one stays for open pages, and is asked for again. */
export type Grade = "asset" | "perhaps" | "page";

/** Decides for each path of a site what it is: by the patterns of the config, by its name, and by who names it. */
export function grading(
  patterns: { readonly include: readonly string[]; readonly exclude: readonly string[] },
  { isNamed }: { isNamed(path: string): boolean },
): (path: string) => Grade {
  const include = patterns.include.map((pattern) => matcher(pattern));
  const exclude = patterns.exclude.map((pattern) => matcher(pattern));
  return (path) => {
    if (exclude.some((matches) => matches(path))) return "page";
    if (include.some((matches) => matches(path))) return "asset";
    if (!mayBeDigested(path) || !isNamed(path)) return "page";
    return looksDigested(path) ? "asset" : "perhaps";
  };
}
