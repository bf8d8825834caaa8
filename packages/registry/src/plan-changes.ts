import type { Change, Json } from "@lockstep/plugin";
import type { Tags } from "./glance.ts";
import { doubtsIn } from "./guards.ts";
import type { Image, ImageBlob } from "./image/image.ts";
import type { RegistrySettings } from "./options.ts";
import { nameOf } from "./reference.ts";
import { shownDigest } from "./tags.ts";

/** One line for each layer that must be sent, and for the config, with what in it looks like a secret. */
export function layerChanges({ blobs }: Image, { source }: RegistrySettings): Change[] {
  const doubts = doubtsIn(source);
  const doubted = `${doubts.join(", ")}: looks like a secret, and everybody who can pull can read it`;
  const remarkOn = ({ action, label }: ImageBlob): string => {
    if (action === "mount") return " (mounted)";
    return label === "config" && doubts.length > 0 ? ` (${doubted})` : "";
  };
  return blobs
    .filter(({ action }) => action !== "reuse")
    .map((blob) => ({
      action: "add",
      what: `${blob.label} ${short(blob.descriptor.digest)}${remarkOn(blob)}`,
      reason: "absent",
      bytes: blob.action === "mount" ? 0 : blob.descriptor.size,
    }));
}

/** Enough of a digest for people to tell it from others. */
function short(digest: string): string {
  return digest.slice(0, "sha256:".length + 12);
}

/** One line for each tag that moves. */
export function tagChanges(tags: Tags, moves: Readonly<Record<string, string>>): Change[] {
  return Object.entries(moves).flatMap(([tag, after]): Change[] => {
    const before = shownDigest(tags.get(tag));
    if (before === after) return [];
    const way = before === null ? "" : ` from ${short(before)}`;
    const what = `tag ${tag}${way} to ${short(after)}`;
    return [
      before === null
        ? { action: "add", what, reason: "absent", before, after }
        : { action: "change", what, reason: "content", before, after },
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
