/** The paths of URLs under which a website endpoint serves a file: `/docs/` and `/docs` for `docs/index.html`. */
export function urlsOf(path: string): readonly string[] {
  const folder = /^(.*\/)?index\.html?$/.exec(path);
  if (folder === null) return [`/${path}`];
  const [, name = ""] = folder;
  return [`/${path}`, `/${name}`, ...(name === "" ? [] : [`/${name.slice(0, -1)}`])];
}

/** Tells which paths of URLs a pattern of Netlify or Pages matches: `*` for anything, `:name` for one segment. */
export function urlMatcher(pattern: string): (url: string) => boolean {
  const source = pattern
    .split(/(\*|:[A-Za-z]\w*)/)
    .map((part) => {
      if (part === "*") return ".*";
      return /^:[A-Za-z]/.test(part)
        ? "[^/]+"
        : part.replaceAll(/[\\^$.|?+()[\]{}/-]/g, String.raw`\$&`);
    })
    .join("");
  const whole = new RegExp(`^${source}$`, "u");
  return (url) => whole.test(url);
}
