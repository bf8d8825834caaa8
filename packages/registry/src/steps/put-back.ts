import type { Reverted, WriteContext } from "@lockstep/plugin";
import type { Asking } from "../client/asking.ts";
import type { RegistryConnection } from "../connection.ts";
import type { RawManifest } from "../image/model.ts";
import type { Repository } from "../reference.ts";
import { farewell, putTag, rawOf, removeTag, shownDigest } from "../tags.ts";
import { type ActivateBefore, type ActivateInput, anchorsWith } from "./activation.ts";

/** A tag of a run, and what it points at. */
export interface Moved {
  readonly tag: string;
  readonly raw: RawManifest | null;
  readonly input: ActivateInput;
  readonly before: ActivateBefore;
}

/** Points a tag at what it pointed at before, where it still holds what this run put there. */
export async function putBack(
  asking: Asking,
  repository: Repository,
  { tag, raw, input, before }: Moved,
): Promise<Reverted> {
  const was = before.tags[tag] ?? null;
  const [now, ours] = [shownDigest(raw), input.moves[tag]];
  if (now === shownDigest(was)) return "untouched";
  if (raw === null || !isOurs(raw, { tag, ours, isNew: was === null })) return "conflict";
  if (was === null) await removeTag(asking, { repository, tag }, raw);
  else await putTag(asking, { repository, tag, from: raw.digest }, rawOf(was));
  return "restored";
}

/** Our image, or what a removal that was cut short left behind: that of a tag of ours, and no other. */
function isOurs(
  raw: RawManifest,
  { tag, ours, isNew }: { tag: string; ours: string | undefined; isNew: boolean },
): boolean {
  return raw.digest === ours || (isNew && farewell(raw, tag).digest === raw.digest);
}

/** What is known of the tags when the anchors of a run go. */
export interface Anchored {
  readonly found: ReadonlyMap<string, RawManifest | null>;
  readonly input: ActivateInput;
  readonly before: ActivateBefore;
  readonly log: Pick<WriteContext<unknown>, "log">;
}

/** Nobody pulls an anchor to get what is live: where it cannot be removed, it is told and left. */
export async function removeAnchors(
  asking: Asking,
  { settings: { repository }, tags }: RegistryConnection,
  { found, input, before, log }: Anchored,
): Promise<Reverted> {
  let said: Reverted = "untouched";
  for (const { tag, digest, was } of anchorsWith(input, before)) {
    const raw = found.get(tag) ?? null;
    if (raw === null || was !== null) continue;
    if (!isOurs(raw, { tag, ours: digest, isNew: true })) continue;
    try {
      await tags.write({ removed: tag }, () => removeTag(asking, { repository, tag }, raw));
      said = "restored";
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "REGISTRY_TAG_STAYS"))
        throw error;
      log.log(`${error.message}\n`);
    }
  }
  return said;
}
