import type { ImageSource } from "../source-options.ts";

/** How messages call a source. */
export function shownSource(source: ImageSource): string {
  if ("ociLayout" in source) return source.ociLayout;
  if ("dockerArchive" in source) return source.dockerArchive;
  if ("image" in source) return source.image;
  return typeof source.directory === "string" ? source.directory : `git ${source.directory.git}`;
}
