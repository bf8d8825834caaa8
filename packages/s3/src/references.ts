/** Which files the pages, styles and scripts of a site name. */
export interface References {
  /** Tells whether any text of the site holds the name of a file. */
  isNamed(path: string): boolean;
}

/** A file whose text may name others. */
interface Named {
  readonly path: string;
  readonly size: number;
}

/** Kinds of text that name other files. */
const TEXT = /\.(?:html?|css|m?js|json|webmanifest|xml|svg|txt|map)$/i;

/** Longest text, in bytes, that is searched. */
const LONGEST_TEXT = 16 * 1024 * 1024;

/** Runs of what names of files consist of. */
const WORD = /[^\s"'`()<>\\/?#&;,=]+\.[\w.-]+/g;

/** Reads all texts of a site and collects the names in them. */
export async function readReferences(
  files: readonly Named[],
  read: (path: string) => Promise<Uint8Array>,
): Promise<References> {
  const words = new Set<string>();
  for (const { path, size } of files) {
    if (!TEXT.test(path) || size > LONGEST_TEXT) continue;
    const text = Buffer.from(await read(path)).toString();
    for (const [word] of text.matchAll(WORD)) words.add(word);
  }
  return {
    isNamed(path) {
      const name = path.slice(path.lastIndexOf("/") + 1);
      return words.has(name) || words.has(encodeURIComponent(name));
    },
  };
}
