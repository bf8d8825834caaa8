import { urlsOf } from "../rules/urls.ts";

/** Most paths that are named one by one: the first thousand of a month cost nothing. */
const MOST_PATHS = 30;

/** Most paths with a star; a distribution takes 15 at a time. */
const MOST_STARS = 10;

/**
 * The paths that a distribution has to forget when files changed: each URL of each file, or whole folders
 * where these are many, or everything.
 *
 * @param prefix - Where the site is in its bucket: distributions show it, or have it as their origin path.
 * @see Amazon CloudFront Developer Guide, "Specify the files to invalidate"
 */
export function invalidPaths(files: readonly string[], prefix: string): readonly string[] {
  const urls = new Set(files.flatMap((path) => urlsOf(path)).map(escapedPath));
  const few = [...urls].toSorted();
  const folded = few.length <= MOST_PATHS ? few : foldersOf(few);
  if (prefix === "") return folded;
  const shown = escapedPath(`/${prefix.slice(0, -1)}`);
  return folded.flatMap((path) => [path, `${shown}${path}`]);
}

function foldersOf(paths: readonly string[]): readonly string[] {
  const folders = new Set(paths.flatMap((path) => /^\/[^/]+\//.exec(path)?.[0] ?? []));
  const stars = [...folders].map((folder) => `${folder}*`);
  const others = paths.filter((path) => !/^\/[^/]+\//.test(path));
  const isFew = stars.length <= MOST_STARS && others.length <= MOST_PATHS;
  return isFew ? [...others, ...stars] : ["/*"];
}

/** As browsers ask for it, and safe where the service is strict: a star of a name is no star of a pattern. */
function escapedPath(path: string): string {
  return path.split("/").map(escapedSegment).join("/");
}

function escapedSegment(segment: string): string {
  return encodeURIComponent(segment).replaceAll(
    /[!'()*~]/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
