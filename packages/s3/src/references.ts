import { mayBeDigested, namesOf } from "./assets.ts";

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
  read(path: string): Promise<Uint8Array>;
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
    const text = Buffer.from(await read(path)).toString();
    const words = wanted.size === 0 ? [] : text.split(SEPARATOR);
    const own = new Set(namesOf(path)); // a title in a picture is no reference to it
    for (const word of words) if (wanted.has(word) && !own.has(word)) named.add(word);
    for (const link of new Set(linksIn(path, text))) {
      const candidates = targetsOf(path, link, prefix);
      const isThere = candidates.length === 0 || candidates.some((one) => paths.has(one));
      if (!isThere) broken.push(`${path} -> ${link}`);
    }
  }
  return {
    broken,
    isNamed: (path) => namesOf(path).some((name) => named.has(name)),
  };
}

const TAG = /<(script|link|img|source|video|audio|track|embed|object|iframe)\b([^>]*)>/gi;
const ATTRIBUTE = /\b(src|srcset|poster|data|href)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/gi;
const STYLES =
  /url\(\s*(?:"([^"]*)"|'([^']*)'|([^\s"')]+))\s*\)|@import\s+(?:"([^"]*)"|'([^']*)')/gi;
/** What is not shown or run as it stands there. */
const INERT =
  /<!--[\s\S]*?-->|(<(script|style|template|noscript|textarea|pre|code)\b[^>]*>)[\s\S]*?<\/\2\s*>/gi;
/** Links that a page needs to be complete. */
const NEEDED = /\brel\s*=\s*["']?[^"'>]*(?:stylesheet|icon|preload|manifest)/i;

/** What a page or a style needs, as it stands there. */
function linksIn(path: string, text: string): readonly string[] {
  if (/\.css$/i.test(path)) return stylesIn(text);
  if (!/\.html?$/i.test(path) || /<base\b/i.test(text)) return [];
  const shown = text.replaceAll(INERT, (_, open: string | undefined) => open ?? "");
  return [...shown.matchAll(TAG)].flatMap(([, tag = "", attributes = ""]) => {
    if (tag.toLowerCase() === "link" && !NEEDED.test(attributes)) return [];
    return [...attributes.matchAll(ATTRIBUTE)].flatMap(([, name = "", a, b, c]) => {
      const value = (a ?? b ?? c ?? "").replaceAll("&amp;", "&");
      if (name.toLowerCase() === "href" && tag.toLowerCase() !== "link") return [];
      return name.toLowerCase() === "srcset" ? candidatesIn(value) : [value];
    });
  });
}

function stylesIn(text: string): readonly string[] {
  const bare = text.replaceAll(/\/\*[\s\S]*?\*\//g, "");
  return [...bare.matchAll(STYLES)].map(([, a, b, c, d, e]) => a ?? b ?? c ?? d ?? e ?? "");
}

/** @see HTML Standard, section 4.8.4.2.1, "Srcset attributes" */
function candidatesIn(srcset: string): readonly string[] {
  if (srcset.includes("data:")) return [];
  return srcset.split(",").flatMap((part) => part.trim().split(/\s+/)[0] ?? []);
}

/** The files that would answer a link; none when that cannot be known here. */
function targetsOf(path: string, link: string, prefix: string): readonly string[] {
  // another host, data, a fragment, or the place holder of a template
  if (link === "" || /^(?:[a-z][a-z0-9+.-]*:|\/\/|#|\?)|\{\{|\$\{|<%|\\/i.test(link)) return [];
  const base = `https://site.invalid/${path.split("/").map(encodeURIComponent).join("/")}`;
  if (!URL.canParse(link, base)) return [];
  let target: string;
  try {
    target = decodeURIComponent(new URL(link, base).pathname).replace(/^\//, "").normalize("NFC");
  } catch {
    return []; // a link that no server understands
  }
  const names = target.startsWith(prefix) ? [target, target.slice(prefix.length)] : [target];
  return names.flatMap((name) => [
    name,
    `${name}${name === "" || name.endsWith("/") ? "" : "/"}index.html`,
  ]);
}
