import { headerNameProblem, headerValueProblem } from "../object-headers.ts";
import type { Rule } from "./policy.ts";
import { urlMatcher, urlsOf } from "./urls.ts";

/** Name of the file, at the top of a site. */
export const HEADERS_FILE = "_headers";

/** What a file of rules says, and what of it a bucket cannot do. */
export interface ReadRules<Rules> {
  readonly rules: readonly Rules[];
  /** One half sentence for each: `line 3: an object cannot keep x-frame-options`. */
  readonly problems: readonly string[];
}

/**
 * Reads a `_headers` file: a path of URLs on a line of its own, below it indented `Name: value`.
 *
 * @see https://docs.netlify.com/routing/headers/
 * @see https://developers.cloudflare.com/pages/configuration/headers/
 */
export function readHeadersFile(text: string): ReadRules<Rule> {
  const blocks: { readonly url: string; readonly set: Record<string, string | null> }[] = [];
  const problems: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const problem = readLine(line, blocks);
    if (problem !== undefined) problems.push(`line ${index + 1}: ${problem}`);
  }
  const rules = blocks.map(({ url, set }): Rule => {
    const matches = urlMatcher(url);
    return { set, matches: (path) => urlsOf(path).some((one) => matches(one)) };
  });
  return { rules, problems };
}

/** Takes one line; half a sentence says why it cannot be followed. */
function readLine(
  line: string,
  blocks: { readonly url: string; readonly set: Record<string, string | null> }[],
): string | undefined {
  const text = line.trim();
  if (text === "" || text.startsWith("#")) return undefined;
  if (/^\S/.test(line)) {
    blocks.push({ url: text, set: {} });
    return text.startsWith("/") ? undefined : "only paths are known here, no hosts";
  }
  const set = blocks.at(-1)?.set;
  if (set === undefined) return "a header stands above the first path";
  const detached = /^!\s*(\S+)$/.exec(text)?.[1];
  const [, name = detached ?? "", value = ""] = /^([^:\s]+)\s*:\s*(.*)$/.exec(text) ?? [];
  const key = name.toLowerCase();
  if (key === "") return "it is neither a path nor a header";
  const problem = headerNameProblem(key) ?? headerValueProblem(value);
  if (problem !== undefined) return `${key}: ${problem}`;
  const before = set[key];
  set[key] = detached === undefined ? (before ? `${before}, ${value}` : value) : null;
  return undefined;
}
