/**
 * Between separators: hex digits, capitals with digits (esbuild), or both cases with digits (Vite, Rollup).
 *
 * Neither digits alone, which are dates, nor small letters of all kinds with digits: `what3words.svg` is a name.
 */
const DIGEST =
  /(?:^|[._-])((?=\d*[a-f])(?=[a-f]*\d)[0-9a-f]{8,64}|(?=\w*\d)(?=\w*[A-Z])[0-9A-Z]{8,32}|(?=\w*\d)(?=\w*[a-z])(?=\w*[A-Z])\w{8,32})(?=[._-])/;

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
