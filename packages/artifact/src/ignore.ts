import ignore from "ignore";

/** Rules of a source, at its root, in the syntax of gitignore. Not deployed itself. */
export const IGNORE_FILE = ".lockstepignore";

/** Paths for which it is remembered at once whether rules leave them out. */
const REMEMBERED = 4096;

/** Never part of an artifact: the repository, and what Lockstep keeps of its own runs. */
const NEVER: ReadonlySet<string> = new Set([".git", ".lockstep"]);

/**
 * Tells what the rules leave out. A directory is asked for with `isDirectory`; what is below an excluded
 * directory cannot be brought back.
 *
 * @param text - Content of the ignore file.
 * @param exclude - Rules of the config; the last rule that matches decides, and these come last.
 * @see gitignore(5), "PATTERN FORMAT"
 */
export function ignoreRules(
  text: string,
  exclude: readonly string[] = [],
): (path: string, isDirectory: boolean) => boolean {
  // Relative paths: git may list a name that is `..`, which a guard refuses later.
  const fresh = (): ReturnType<typeof ignore> =>
    ignore({ ignoreCase: false, allowRelativePaths: true }).add(text).add(exclude);
  const isEmpty = text.trim() === "" && exclude.length === 0;
  let rules = fresh();
  let asked = 0;
  return (path, isDirectory) => {
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (NEVER.has(name) || path === IGNORE_FILE) return true;
    if (isEmpty) return false;
    // the library remembers every path that it was ever asked for
    if ((asked += 1) % REMEMBERED === 0) rules = fresh();
    return rules.ignores(isDirectory ? `${path}/` : path);
  };
}
