import { planned, type PlannedStep } from "@lockstep/plugin";
import type { Tags } from "./glance.ts";
import type { Image, ImageBlob } from "./image/image.ts";
import type { RegistrySettings } from "./options.ts";
import { nameOf } from "./reference.ts";
import type { Previous } from "./sources/building.ts";
import { activate } from "./steps/activate.ts";
import type { ActivateInput } from "./steps/activation.ts";
import { checkTags } from "./steps/check-tags.ts";
import { retireAnchors } from "./steps/retire-anchors.ts";
import { stage } from "./steps/stage.ts";
import { shownDigest } from "./tags.ts";

/** Brings the image into the repository. */
export function stageStep(
  settings: RegistrySettings,
  {
    image,
    annotations,
    previous,
  }: {
    readonly image: Image;
    readonly annotations: Readonly<Record<string, string>>;
    readonly previous: Previous;
  },
): PlannedStep {
  return planned(stage, {
    id: "push",
    phase: "stage",
    undo: "leave",
    input: {
      repository: nameOf(settings.repository),
      digest: image.root.digest,
      source: settings.source,
      annotations,
      previous: shownDigest(previous.root),
    },
    bytes: image.blobs.filter(isSent).reduce((sum, { descriptor }) => sum + descriptor.size, 0),
  });
}

function isSent({ action }: ImageBlob): boolean {
  return action === "upload";
}

/** Moves the tags, and reads them back. */
export function liveSteps(
  settings: RegistrySettings,
  {
    release,
    ...move
  }: Pick<ActivateInput, "moves" | "from" | "anchor" | "spare" | "spares"> & {
    readonly release: string;
  },
): PlannedStep[] {
  const repository = nameOf(settings.repository);
  return [
    planned(activate, { id: "tags", phase: "activate", input: { repository, ...move } }),
    planned(checkTags, {
      id: "read-back",
      phase: "verify",
      input: { repository, release, moves: move.moves, deep: settings.verify === "blobs" },
      until: settings.until,
    }),
  ];
}

/** Drops the tags of old releases. */
export function retireStep(
  { repository, anchor, keep, tags }: RegistrySettings,
  found: Tags,
): PlannedStep {
  const previous = [...new Set([...found.values()].flatMap((raw) => raw?.digest ?? []))];
  return planned(retireAnchors, {
    id: "retire",
    phase: "retire",
    input: { repository: nameOf(repository), anchor, keep, tags, previous },
  });
}
