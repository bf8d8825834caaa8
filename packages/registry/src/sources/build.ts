import type { Image } from "../image/image.ts";
import type { ImageSource } from "../source-options.ts";
import type { Building } from "./building.ts";
import { imageOfDirectory } from "./directory.ts";
import { imageOfArchive, imageOfLayout } from "./local.ts";
import { imageOfRegistry } from "./remote.ts";

/**
 * Makes the image that a source describes. Equal sources give equal bytes.
 *
 * @throws {LockstepError} `REGISTRY_SOURCE`, `REGISTRY_ARCHIVE`, `REGISTRY_BASE`, and what a source may raise
 */
export async function buildImage(building: Building, source: ImageSource): Promise<Image> {
  if ("ociLayout" in source) return imageOfLayout(building, source);
  if ("dockerArchive" in source) return imageOfArchive(building, source);
  if ("image" in source) return imageOfRegistry(building, source);
  return imageOfDirectory(building, source);
}
