import {
  type Change,
  type Json,
  type Live,
  planned,
  type PlanContext,
  type PlannedStep,
  type PlanRequest,
  type Release,
  type TargetPlan,
} from "@lockstep/plugin";
import type { Asking } from "./client/blobs.ts";
import type { RegistryConnection } from "./connection.ts";
import {
  descriptionOf,
  doubtsAbout,
  isMarked,
  isSameContent,
  refuseImmutable,
  refuseOlder,
  refuseReader,
} from "./guards.ts";
import { type Image, type ImageBlob } from "./image/image.ts";
import type { RawManifest } from "./image/model.ts";
import type { RegistrySettings } from "./options.ts";
import { nameOf } from "./reference.ts";
import { buildImage } from "./sources/build.ts";
import type { Previous } from "./sources/building.ts";
import { readPrevious } from "./sources/previous.ts";
import { activate } from "./steps/activate.ts";
import { checkTags } from "./steps/check-tags.ts";
import { retireAnchors } from "./steps/retire-anchors.ts";
import { stage } from "./steps/stage.ts";
import { anchorOf, BEFORE, readTags, shownDigest, stagedManifest } from "./tags.ts";

/** What `live` says of the tags: the digest behind all of them, or each with its own. */
export type Ref = string | { readonly tags: Readonly<Record<string, string | null>> };

const UNDO =
  "Each tag goes back to the image it pointed at; a tag that did not exist is removed again, where the registry allows that.";

type Tags = ReadonlyMap<string, RawManifest | null>;

/** Plans a deploy or a way back. Reads the registry and the source; changes nothing. */
export async function plan(
  request: PlanRequest,
  ctx: PlanContext<RegistryConnection>,
): Promise<TargetPlan> {
  return request.kind === "deploy"
    ? planDeploy(ctx, request.release)
    : planReturn(ctx, request.refs);
}

async function planDeploy(
  ctx: PlanContext<RegistryConnection>,
  release: Release,
): Promise<TargetPlan> {
  const { connection } = ctx;
  const { settings } = connection;
  const asking = connection.asking(ctx);
  const tags = await readLive(connection, asking);
  const [live = null] = tags.values();
  const previous = await readPrevious(connection, asking, {
    digest: shownDigest(live),
    known: live,
  });
  const annotations = descriptionOf(settings, release);
  const image = await buildImage(
    { ctx, connection, settings, annotations, previous },
    settings.source,
  );

  const isEverywhere = [...tags.values()].every((raw) => raw?.digest === live?.digest);
  if (live !== null && isEverywhere && isSameContent(previous, image)) {
    return unchangedPlan(settings, { tags, digest: live.digest, image });
  }
  await refuseReader(connection, ctx);
  for (const line of doubtsAbout(settings.source)) ctx.log(`${line}\n`);
  refuseImmutable(settings, tags, image);
  refuseOlder(settings, { tags, release });
  const moves = Object.fromEntries(settings.tags.map((tag) => [tag, image.root.digest]));
  return {
    changes: [...layerChanges(image), ...tagChanges(tags, moves)],
    unchanged: image.blobs.filter(({ action }) => action === "reuse").length,
    steps: [
      stageStep(settings, { image, annotations, previous }),
      ...liveSteps(settings, {
        release: release.id,
        moves,
        from: basedOn(tags),
        anchor: { tag: anchorOf(settings.anchor, release.id), digest: image.root.digest },
        // an image of ours has an anchor of its own release
        spare:
          live === null || isMarked(previous.annotations)
            ? null
            : { tag: `${anchorOf(settings.anchor, release.id)}${BEFORE}`, digest: live.digest },
      }),
      retireStep(settings, tags),
    ],
    basedOn: basedOn(tags),
    outputs: outputsOf(settings, image.root.digest),
    undo: UNDO,
  };
}

async function readLive(
  { settings: { repository, tags }, seen }: RegistryConnection,
  asking: Asking,
): Promise<Tags> {
  const found = await readTags(asking, repository, tags);
  for (const raw of found.values()) if (raw !== null) seen.set(raw.digest, raw);
  return found;
}

function unchangedPlan(
  settings: RegistrySettings,
  { tags, digest, image }: { readonly tags: Tags; readonly digest: string; readonly image: Image },
): TargetPlan {
  return {
    changes: [],
    unchanged: image.blobs.length,
    steps: [],
    basedOn: basedOn(tags),
    outputs: outputsOf(settings, digest),
    undo: UNDO,
  };
}

async function planReturn(
  ctx: PlanContext<RegistryConnection>,
  refs: readonly Live[],
): Promise<TargetPlan> {
  const { connection } = ctx;
  const { settings } = connection;
  const asking = connection.asking(ctx);
  const tags = await readLive(connection, asking);
  const wanted = wantedBy(settings, (refs[0]?.ref ?? null) as Ref | null);
  const digests = [...new Set(Object.values(wanted))];
  for (const digest of digests) await stagedManifest(connection, asking, digest);
  const moves = Object.fromEntries(
    Object.entries(wanted).filter(([tag, digest]) => shownDigest(tags.get(tag)) !== digest),
  );
  const [digest] = digests;
  return {
    changes: tagChanges(tags, moves),
    unchanged: Object.keys(wanted).length - Object.keys(moves).length,
    steps:
      Object.keys(moves).length === 0
        ? []
        : liveSteps(settings, {
            release: ctx.release.id,
            moves,
            from: Object.fromEntries(
              Object.keys(moves).map((tag) => [tag, shownDigest(tags.get(tag))]),
            ),
            anchor: null,
            spare: null,
          }),
    basedOn: basedOn(tags),
    ...(digest === undefined ? {} : { outputs: outputsOf(settings, digest) }),
    undo: UNDO,
  };
}

/** Digest by tag; tags that had none then are left as they are. */
function wantedBy({ tags }: RegistrySettings, ref: Ref | null): Record<string, string> {
  if (ref === null) return {};
  if (typeof ref === "string") return Object.fromEntries(tags.map((tag) => [tag, ref]));
  return Object.fromEntries(
    tags.flatMap((tag) => {
      const digest = ref.tags[tag];
      return digest === null || digest === undefined ? [] : [[tag, digest]];
    }),
  );
}

function stageStep(
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

function liveSteps(
  settings: RegistrySettings,
  {
    release,
    ...move
  }: Pick<Parameters<typeof activate.describe>[0], "moves" | "from" | "anchor" | "spare"> & {
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

function retireStep(
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

function layerChanges({ blobs }: Image): Change[] {
  return blobs
    .filter(({ action }) => action !== "reuse")
    .map(({ descriptor, label, action }) => ({
      action: "add",
      what: `${label} ${descriptor.digest.slice(0, "sha256:".length + 12)}${action === "mount" ? " (mounted)" : ""}`,
      reason: "absent",
      bytes: action === "mount" ? 0 : descriptor.size,
    }));
}

function tagChanges(tags: Tags, moves: Readonly<Record<string, string>>): Change[] {
  return Object.entries(moves).flatMap(([tag, after]): Change[] => {
    const before = shownDigest(tags.get(tag));
    if (before === after) return [];
    const action = before === null ? "add" : "change";
    return [
      { action, what: `tag ${tag}`, reason: before === null ? "absent" : "content", before, after },
    ];
  });
}

function basedOn(tags: Tags): Record<string, string | null> {
  return Object.fromEntries([...tags].map(([tag, raw]) => [tag, shownDigest(raw)]));
}

function outputsOf({ repository, tags }: RegistrySettings, digest: string): Record<string, Json> {
  return { repository: nameOf(repository), digest, tags };
}
