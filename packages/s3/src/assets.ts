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

/** The names under which texts refer to a file: its own, or its digest alone where a script puts names together. */
export function namesOf(path: string): readonly string[] {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const digest = DIGEST.exec(name)?.[1];
  return [name, encodeURIComponent(name), ...(digest === undefined ? [] : [digest])];
}
