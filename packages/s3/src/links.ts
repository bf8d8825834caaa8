import { looksDigested } from "./assets.ts";

/** What a text needs, as it stands there. */
export interface Links {
  /** Where a page says that its links start; undefined where it says nothing. */
  readonly base: string | undefined;
  readonly links: readonly string[];
}

/** Finds what a page, a style or a script needs to be complete; nothing in other kinds of text. */
export function linksIn(path: string, text: string): Links {
  if (/\.css$/i.test(path)) return { base: undefined, links: stylesIn(text) };
  if (/\.m?js$/i.test(path)) return { base: undefined, links: importsIn(text) };
  return /\.html?$/i.test(path) ? linksInPage(text) : { base: undefined, links: [] };
}

/** Attributes, in which quotes may hold the end of a tag; a look ahead is never tried in another way. */
const REST = String.raw`(?=((?:=(?:\s*"[^"]*"|\s*'[^']*')?|[^>=])*))\2>`;
const TAG = new RegExp(
  `<(script|link|img|source|video|audio|track|embed|object|iframe|image|use|input|base)\\b${REST}`,
  "gi",
);
const ATTRIBUTE =
  /\b(src|srcset|imagesrcset|poster|data|href)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/gi;
const STYLE_ATTRIBUTE = /<[a-z][^<>]*?\sstyle\s*=\s*(?:"([^"]*)"|'([^']*)')/gi;
const STYLES =
  /url\(\s*(?:"([^"]*)"|'([^']*)'|([^\s"')]+))\s*\)|@import\s+(?:"([^"]*)"|'([^']*)')/gi;
/** What is not shown or run as it stands there. */
const INERT =
  /<!--[\s\S]*?-->|(<(script|style|template|noscript|textarea|pre|code)\b[^>]*>)[\s\S]*?<\/\2\s*>/gi;
/** Links that a page needs to be complete. */
const NEEDED = /\brel\s*=\s*["']?[^"'>]*(?:stylesheet|icon|preload|manifest)/i;
/** Tags whose `href` is loaded, not led to. */
const LOADING = /^(?:link|image|use)$/i;

function linksInPage(text: string): Links {
  const styles: string[] = [];
  const shown = text.replaceAll(INERT, (all: string, open?: string, name?: string) => {
    if (name?.toLowerCase() === "style") styles.push(all.slice(open?.length ?? 0));
    return open ?? "";
  });
  const tags = [...shown.matchAll(TAG)].map(([, tag = "", attributes = ""]) => ({
    tag: tag.toLowerCase(),
    attributes: [...attributes.matchAll(ATTRIBUTE)].map(([, name = "", a, b, c]) => ({
      name: name.toLowerCase(),
      value: plainOf(a ?? b ?? c ?? ""),
    })),
    isNeeded: tag.toLowerCase() !== "link" || NEEDED.test(attributes),
  }));
  const inTags = tags.flatMap(({ tag, attributes, isNeeded }) =>
    attributes.flatMap(({ name, value }) => {
      if (!isNeeded || tag === "base" || (name === "href" && !LOADING.test(tag))) return [];
      return name.endsWith("srcset") ? candidatesIn(value) : [value];
    }),
  );
  for (const [, a, b] of shown.matchAll(STYLE_ATTRIBUTE)) styles.push(plainOf(a ?? b ?? ""));
  const base = tags
    .filter(({ tag }) => tag === "base")
    .flatMap(({ attributes }) => attributes.find(({ name }) => name === "href")?.value ?? [])[0];
  return { base, links: [...inTags, ...styles.flatMap((style) => stylesIn(style))] };
}

function stylesIn(text: string): readonly string[] {
  const bare = text.replaceAll(/\/\*[\s\S]*?\*\//g, "");
  return [...bare.matchAll(STYLES)].map(([, a, b, c, d, e]) => a ?? b ?? c ?? d ?? e ?? "");
}

const IMPORTS = /\b(?:from|import)\s*\(?\s*(["'])(\.{0,2}\/[^"'`\s?#]{1,500}\.m?js)\1/g;

/** Chunks that a chunk loads; names without a digest may stand in samples of code. */
function importsIn(text: string): readonly string[] {
  return [...text.matchAll(IMPORTS)].map(([, , link = ""]) => link).filter(looksDigested);
}

/**
 * The URLs of a `srcset`: a comma ends one only after white space or where nothing follows it.
 *
 * @see HTML Standard, section 4.8.4.2.1, "Srcset attributes"
 */
function candidatesIn(srcset: string): readonly string[] {
  const candidates = srcset.matchAll(/[\s,]*(\S*[^\s,])(?:,+|[^,]*(?:,|$))/g);
  return [...candidates].map(([, url = ""]) => url);
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  apos: "'",
  gt: ">",
  lt: "<",
  quot: '"',
};

/** The value of an attribute as it is meant. */
function plainOf(value: string): string {
  return value.replaceAll(/&(#x[0-9a-f]{1,6}|#\d{1,7}|\w+);/gi, (all, name: string) => {
    if (!name.startsWith("#")) return ENTITIES[name.toLowerCase()] ?? all;
    const code = Number(/x/i.test(name) ? `0${name.slice(1)}` : name.slice(1));
    return code <= 0x10_ff_ff ? String.fromCodePoint(code) : all;
  });
}
