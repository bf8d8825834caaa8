import {
  type Live,
  type PlanContext,
  type PlanRequest,
  type Release,
  type TargetPlan,
} from "@lockstep/plugin";
import { anchorOf } from "./anchors.ts";
import type { Asking } from "./client/asking.ts";
import type { RegistryConnection } from "./connection.ts";
import type { Tags } from "./glance.ts";
import {
  descriptionOf,
  doubtsAbout,
  isMarked,
  isSameContent,
  refuseImmutable,
  refuseOlder,
  refuseReader,
} from "./guards.ts";
import type { Image } from "./image/image.ts";
import { parseManifest, type RawManifest } from "./image/model.ts";
import type { RegistrySettings } from "./options.ts";
import { basedOn, layerChanges, outputsOf, tagChanges } from "./plan-changes.ts";
import { liveSteps, retireStep, stageStep } from "./plan-steps.ts";
import { buildImage } from "./sources/build.ts";
import { readPrevious } from "./sources/previous.ts";
import type { ActivateInput, PlannedAnchor } from "./steps/activation.ts";
import { readTags, shownDigest, stagedManifest } from "./tags.ts";

/** What `live` says of the tags: the digest behind all of them, or each with its own. */
export type Ref = string | { readonly tags: Readonly<Record<string, string | null>> };

const UNDO =
  "Each tag goes back to the image it pointed at; a tag that did not exist is removed again, where the registry allows that.";

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
  for (const line of doubtsAbout(settings)) ctx.log(`${line}\n`);
  await refuseImmutable(connection, ctx, { tags, root: image.root });
  refuseOlder(settings, { tags, release });
  const moves = Object.fromEntries(settings.tags.map((tag) => [tag, image.root.digest]));
  return {
    changes: [...layerChanges(image, settings), ...tagChanges(tags, moves)],
    unchanged: image.blobs.filter(({ action }) => action === "reuse").length,
    steps: [
      stageStep(settings, { image, annotations, previous }),
      ...liveSteps(settings, {
        release: release.id,
        moves,
        from: basedOn(tags),
        ...newAnchors(settings, release, { root: image.root, tags }),
      }),
      retireStep(settings, tags),
    ],
    basedOn: basedOn(tags),
    outputs: outputsOf(settings, image.root.digest),
    undo: UNDO,
  };
}

/** The release's own anchor, and one for each image that another tool made live: ours have theirs already. */
function newAnchors(
  { anchor: prefix }: RegistrySettings,
  release: Release,
  { root, tags }: { readonly root: RawManifest; readonly tags: Tags },
): Pick<ActivateInput, "anchor" | "spare" | "spares"> {
  const anchored = ({ digest }: RawManifest, isBefore: boolean): PlannedAnchor => ({
    tag: anchorOf(prefix, release, { digest, isBefore }),
    digest,
  });
  const live = [...tags.values()].filter((raw) => raw !== null);
  const foreign = [...new Map(live.map((raw) => [raw.digest, raw])).values()].filter(
    (raw) => !isMarked(parseManifest(raw)?.annotations ?? {}),
  );
  const [spare = null, ...spares] = foreign.map((raw) => anchored(raw, true));
  return { anchor: anchored(root, false), spare, ...(spares.length === 0 ? {} : { spares }) };
}

async function readLive(
  { settings: { repository, tags }, seen, glance }: RegistryConnection,
  asking: Asking,
): Promise<Tags> {
  const found = glance.take() ?? (await readTags(asking, repository, tags));
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
