import { mayBeDigested, namesOf } from "./assets.ts";
import { linksIn } from "./links.ts";

/** Which files the texts of a site name. */
export interface References {
  /** Tells whether any text of the site holds the name of a file that may be digested. */
  isNamed(path: string): boolean;
  /** One for each page and file it needs that is not there: `index.html -> app.js`. */
  readonly broken: readonly string[];
}

/** A file whose text may name others. */
interface Named {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

/** How texts are read. */
export interface ReadingTexts {
  /** Paths that are there besides the files. */
  readonly others: readonly string[];
  /** Where the site is in its bucket, for links from the top. */
  readonly prefix: string;
  read(path: string): Promise<string>;
}

/** Kinds of text that name other files. */
const TEXT = /\.(?:html?|css|m?js|json|webmanifest|xml|svg|txt)$/i;

/** Longest text, in bytes, that is searched. */
const LONGEST_TEXT = 16 * 1024 * 1024;

/** What stands between names in texts. */
const SEPARATOR = /[\s"'`()<>\\/?#&;,=:{}[\]|]+/;

/** Reads all texts of a site and collects the names in them. */
export async function readReferences(
  files: readonly Named[],
  { others, prefix, read }: ReadingTexts,
): Promise<References> {
  const digested = files.filter(({ path }) => mayBeDigested(path));
  const wanted = new Set(digested.flatMap(({ path }) => namesOf(path)));
  const named = new Set<string>();
  const paths = new Set([...files.map(({ path }) => path), ...others]);
  const broken: string[] = [];
  for (const { path, size } of files) {
    if (!TEXT.test(path) || size > LONGEST_TEXT) continue;
    const text = await read(path);
    for (const word of wordsOf(text, wanted)) if (!namesOf(path).includes(word)) named.add(word);
    const { base, links } = linksIn(path, text);
    for (const link of new Set(links)) {
      const candidates = targetsOf({ path, base, link }, prefix);
      const isThere = candidates.length === 0 || candidates.some((one) => paths.has(one));
      if (!isThere) broken.push(`${path} -> ${link}`);
    }
  }
  return {
    broken,
    isNamed: (path) => namesOf(path).some((name) => named.has(name)),
  };
}

/** The words of a text that are looked for; one's own name is among them, as the title in a picture is. */
function wordsOf(text: string, wanted: ReadonlySet<string>): readonly string[] {
  return wanted.size === 0 ? [] : text.split(SEPARATOR).filter((word) => wanted.has(word));
}

/** A link, and where it stands. */
interface Placed {
  readonly path: string;
  /** What the page says its links start from. */
  readonly base: string | undefined;
  readonly link: string;
}

/** Another host, data, a fragment, or the place holder of a template. */
const ELSEWHERE = /^(?:[a-z][a-z0-9+.-]*:|\/\/|#|\?)|\{\{|\$\{|<%|\\/i;

/** The files that would answer a link; none when that cannot be known here. */
function targetsOf({ path, base = "", link }: Placed, prefix: string): readonly string[] {
  if (link === "" || ELSEWHERE.test(link) || ELSEWHERE.test(base)) return [];
  const page = `https://site.invalid/${path.split("/").map(encodeURIComponent).join("/")}`;
  if (!URL.canParse(base, page) || !URL.canParse(link, page)) return [];
  let target: string;
  try {
    const { pathname } = new URL(link, new URL(base, page));
    target = decodeURIComponent(pathname).replace(/^\//, "").normalize("NFC");
  } catch {
    return []; // a link that no server understands
  }
  const names = target.startsWith(prefix) ? [target, target.slice(prefix.length)] : [target];
  return names.flatMap((name) => [
    name,
    `${name}${name === "" || name.endsWith("/") ? "" : "/"}index.html`,
  ]);
}
