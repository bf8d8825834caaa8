import type { Change, Json } from "@lockstep/plugin";
import type { Tags } from "./glance.ts";
import type { Image } from "./image/image.ts";
import type { RegistrySettings } from "./options.ts";
import { nameOf } from "./reference.ts";
import { shownDigest } from "./tags.ts";

/** One line for each layer that must be sent. */
export function layerChanges({ blobs }: Image): Change[] {
  return blobs
    .filter(({ action }) => action !== "reuse")
    .map(({ descriptor, label, action }) => ({
      action: "add",
      what: `${label} ${descriptor.digest.slice(0, "sha256:".length + 12)}${action === "mount" ? " (mounted)" : ""}`,
      reason: "absent",
      bytes: action === "mount" ? 0 : descriptor.size,
    }));
}

/** One line for each tag that moves. */
export function tagChanges(tags: Tags, moves: Readonly<Record<string, string>>): Change[] {
  return Object.entries(moves).flatMap(([tag, after]): Change[] => {
    const before = shownDigest(tags.get(tag));
    if (before === after) return [];
    const action = before === null ? "add" : "change";
    return [
      { action, what: `tag ${tag}`, reason: before === null ? "absent" : "content", before, after },
    ];
  });
}

/** What the plan goes by. */
export function basedOn(tags: Tags): Record<string, string | null> {
  return Object.fromEntries([...tags].map(([tag, raw]) => [tag, shownDigest(raw)]));
}

/** What other targets of the run may know of the image. */
export function outputsOf(
  { repository, tags }: RegistrySettings,
  digest: string,
): Record<string, Json> {
  return { repository: nameOf(repository), digest, tags };
}
