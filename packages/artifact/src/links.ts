import { shown } from "./names.ts";

/** Most links one path may lead through. Linux has the same limit: path_resolution(7). */
const MOST_HOPS = 40;

/**
 * Why a symbolic link does not stay inside its source; undefined when it does.
 *
 * Follows the other links of the source as the kernel would, because `a -> b/..` leaves it when `b` is a
 * link to its root. What is not there counts as a directory: a link may dangle.
 *
 * @param path - Path of the link.
 * @param links - Target by path, of all links of the source, `path` among them.
 */
export function linkProblem(path: string, links: ReadonlyMap<string, string>): string | undefined {
  const at = path.split("/");
  const ahead = [at.pop() ?? ""];
  let hops = 0;

  for (let name = ahead.shift(); name !== undefined; name = ahead.shift()) {
    if (name === "" || name === ".") continue;
    if (name === "..") {
      if (at.pop() === undefined) return leaving(path, links);
      continue;
    }
    at.push(name);
    const target = links.get(at.join("/"));
    if (target === undefined) continue;
    if (target.startsWith("/")) return absolute(path, links);
    if (++hops > MOST_HOPS) return "it goes in circles";
    at.pop();
    ahead.unshift(...target.split("/"));
  }
  return undefined;
}

function absolute(path: string, links: ReadonlyMap<string, string>): string {
  const own = links.get(path) ?? "";
  return own.startsWith("/")
    ? `it points to the absolute path ${shown(own)}`
    : leaving(path, links);
}

function leaving(path: string, links: ReadonlyMap<string, string>): string {
  return `it points out of the source, to ${shown(links.get(path) ?? "")}`;
}
