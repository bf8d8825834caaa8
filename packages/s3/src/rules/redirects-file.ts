import type { ReadRules } from "./headers-file.ts";

/** Name of the file, at the top of a site. */
export const REDIRECTS_FILE = "_redirects";

/** One path that sends visitors elsewhere. */
export interface Redirect {
  /** Path of a URL: `/old`. */
  readonly from: string;
  /** Path of a URL, or a whole one. */
  readonly to: string;
  /** Absent: 301. */
  readonly status?: number;
}

/** Who answers with redirects: a bucket alone, or the router of CloudFront. */
export type Redirecting = "bucket" | "router";

/** Longest target, in bytes, that a server takes. */
const LONGEST_TARGET = 2048;

/**
 * Reads a `_redirects` file: `from to status` on each line. A bucket sends 301 from single paths, and
 * nothing else; a router also other statuses, from all below a folder, and `/* /index.html 200` for applications of one page.
 * Neither has conditions or other rewrites.
 *
 * @see https://docs.netlify.com/routing/redirects/
 * @see Amazon S3 User Guide, "Configuring a webpage redirect"
 */
export function readRedirectsFile(text: string, by: Redirecting = "bucket"): ReadRules<Redirect> {
  const rules: Redirect[] = [];
  const problems: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const words = line
      .replace(/(?:^|\s)#.*$/, "")
      .trim()
      .split(/\s+/);
    const [from = "", to = "", status = "301", ...more] = words;
    if (from === "") continue;
    const isFallback = by === "router" && `${from} ${status}` === "/* 200" && !to.includes("*");
    const problem =
      (by === "router" ? patternProblem({ from, to }) : redirectProblem({ from, to })) ??
      (isFallback || STATUS[by].test(status)
        ? undefined
        : `a ${by} answers ${ANSWERS[by]}, not ${status}`) ??
      (more.length > 0 ? "conditions need a server" : undefined);
    const other = status.startsWith("301") ? {} : { status: Number.parseInt(status, 10) };
    if (problem === undefined) rules.push({ from, to, ...other });
    else problems.push(`line ${index + 1}: ${problem}`);
  }
  return { rules, problems };
}

const STATUS = { bucket: /^301!?$/, router: /^30[12378]!?$/ };

const ANSWERS = { bucket: "301", router: "301, 302, 303, 307 and 308" };

/** Half a sentence: why a router cannot send visitors there; undefined when it can. */
function patternProblem({ from, to }: Redirect): string | undefined {
  if (!from.endsWith("/*")) return redirectProblem({ from, to });
  const problem = redirectProblem({
    from: from.slice(0, -1),
    to: to.replace(/:splat(?=$|[/?#])/, "splat"),
  });
  return problem === "patterns need a server"
    ? "a router knows `:splat` once and no other pattern"
    : problem;
}

/** Half a sentence: why a bucket cannot send visitors there; undefined when it can. */
export function redirectProblem({ from, to }: Redirect): string | undefined {
  if (!/^\/[^*:?#\s]*$/.test(from) || /\/\.{1,2}(?:\/|$)|\/\//.test(from)) {
    return "a bucket redirects single paths alone, without patterns";
  }
  if (/%(?![0-9a-fA-F]{2})/.test(from)) return "a percent sign stands alone";
  if (pathOf(from) === undefined) return "the path is no key";
  if (!/^(?:\/(?!\/)|https?:\/\/)[\u0021-\u007e]*$/.test(to)) {
    return "the target is neither a path nor a URL";
  }
  if (/[:*]/.test(to.replace(/^https?:\/\/[^/]*/, ""))) return "patterns need a server";
  return to.length > LONGEST_TARGET ? "the target is too long" : undefined;
}

/** The objects that a redirect is made of, so that it works with and without a slash at the end. */
export function redirectPaths({ from }: Redirect): readonly string[] {
  const isFolder = from.endsWith("/*");
  const path = pathOf(isFolder ? from.slice(0, -1) : from);
  if (path === undefined) return [];
  if (isFolder) return [path === "" ? "*" : `${path}/*`];
  if (path === "") return ["index.html"];
  return /\.[a-z0-9]+$/i.test(path) ? [path] : [path, `${path}/index.html`];
}

/** The path of a file that answers at a path of a URL, without slashes at its ends; undefined when no file can. */
function pathOf(from: string): string | undefined {
  let path: string;
  try {
    path = decodeURIComponent(from).normalize("NFC").replace(/^\//, "").replace(/\/$/, "");
  } catch {
    return undefined;
  }
  const isClean = path.split("/").every((segment) => !/^\.{0,2}$/.test(segment));
  if (path !== "" && !isClean) return undefined;
  return /[\p{Cc}\p{Zl}\p{Zp}\\]/u.test(path) ? undefined : path;
}
