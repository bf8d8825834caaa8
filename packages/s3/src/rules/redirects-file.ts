import type { ReadRules } from "./headers-file.ts";

/** Name of the file, at the top of a site. */
export const REDIRECTS_FILE = "_redirects";

/** One path that sends visitors elsewhere. */
export interface Redirect {
  /** Path of a URL: `/old`. */
  readonly from: string;
  /** Path of a URL, or a whole one. */
  readonly to: string;
}

/** Longest target, in bytes, that a server takes. */
const LONGEST_TARGET = 2048;

/**
 * Reads a `_redirects` file: `from to status` on each line. A bucket sends 301 from single paths, and
 * nothing else: no patterns, no conditions, no rewrites.
 *
 * @see https://docs.netlify.com/routing/redirects/
 * @see Amazon S3 User Guide, "Configuring a webpage redirect"
 */
export function readRedirectsFile(text: string): ReadRules<Redirect> {
  const rules: Redirect[] = [];
  const problems: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const words = line
      .replace(/(?:^|\s)#.*$/, "")
      .trim()
      .split(/\s+/);
    const [from = "", to = "", status = "301", ...more] = words;
    if (from === "") continue;
    const problem =
      redirectProblem({ from, to }) ??
      (/^301!?$/.test(status) ? undefined : `a bucket answers 301, not ${status}`) ??
      (more.length > 0 ? "conditions need a server" : undefined);
    if (problem === undefined) rules.push({ from, to });
    else problems.push(`line ${index + 1}: ${problem}`);
  }
  return { rules, problems };
}

/** Half a sentence: why a bucket cannot send visitors there; undefined when it can. */
export function redirectProblem({ from, to }: Redirect): string | undefined {
  if (!/^\/[^*:?#\s]*$/.test(from) || /\/\.{1,2}(?:\/|$)|\/\//.test(from)) {
    return "a bucket redirects single paths alone, without patterns";
  }
  if (!/^(?:\/(?!\/)|https?:\/\/)[\u0021-\u007e]*$/.test(to)) {
    return "the target is neither a path nor a URL";
  }
  if (/[:*]/.test(to.replace(/^https?:\/\/[^/]*/, ""))) return "patterns need a server";
  return to.length > LONGEST_TARGET ? "the target is too long" : undefined;
}

/** The objects that a redirect is made of, so that it works with and without a slash at the end. */
export function redirectPaths({ from }: Redirect): readonly string[] {
  const path = decodeURI(from).replace(/^\//, "").replace(/\/$/, "");
  if (path === "") return ["index.html"];
  return /\.[a-z0-9]+$/i.test(path) ? [path] : [path, `${path}/index.html`];
}
