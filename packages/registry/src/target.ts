import { artifactErrors } from "@lockstep/artifact";
import {
  defineTarget,
  type Live,
  type ReadContext,
  type Target,
  type TargetBody,
} from "@lockstep/plugin";
import { anchorsIn } from "./anchors.ts";
import { registryErrors } from "./catalogue.ts";
import { listTags } from "./client/manifests.ts";
import { openConnection, type RegistryConnection } from "./connection.ts";
import { doctor } from "./doctor.ts";
import { type RegistryOptions, type RegistrySettings, registrySchema } from "./options.ts";
import { plan, type Ref } from "./plan.ts";
import { activate } from "./steps/activate.ts";
import { checkTags } from "./steps/check-tags.ts";
import { retireAnchors } from "./steps/retire-anchors.ts";
import { stage } from "./steps/stage.ts";
import { readTags, shownDigest } from "./tags.ts";
import { VERSION } from "./version.ts";

/**
 * Images in a container registry: an image is pushed by its digest, and tags are moved to it and back.
 *
 * Making the target touches nothing. Needs no Docker and no daemon.
 */
export function registry(options: RegistryOptions): Target<RegistryConnection> {
  return defineTarget(
    { plugin: "@lockstep/registry", version: VERSION, schema: registrySchema, make },
    options,
  );
}

function make(settings: RegistrySettings): TargetBody<RegistryConnection> {
  const { host, path } = settings.repository;
  return {
    places: settings.tags.map((tag) => `registry://${host}/${path}:${tag}`),
    // no registry has a conditional way to move a tag
    traits: { fencing: "none" },
    steps: [stage, activate],
    checks: [checkTags],
    retires: [retireAnchors],
    errors: { ...artifactErrors, ...registryErrors },
    connect: (ctx) => openConnection(settings, ctx),
    live,
    plan,
    doctor,
  };
}

async function live(ctx: ReadContext<RegistryConnection>): Promise<readonly Live[]> {
  const { settings, checked, glance } = ctx.connection;
  const asking = ctx.connection.asking(ctx);
  const known = checked.take();
  const isWhole = settings.tags.every((tag) => known?.has(tag));
  const tags =
    known !== undefined && isWhole
      ? new Map(settings.tags.map((tag) => [tag, known.get(tag) ?? null]))
      : await readTags(asking, settings.repository, settings.tags);
  glance.keep(tags);
  const digests = [...tags].map(([tag, raw]) => [tag, shownDigest(raw)] as const);
  return [{ ref: refOf(digests), kept: await keptOf(ctx, digests) }];
}

function refOf(digests: readonly (readonly [string, string | null])[]): Ref | null {
  const [first = null] = digests.map(([, digest]) => digest);
  if (digests.some(([, digest]) => digest !== first)) return { tags: Object.fromEntries(digests) };
  return first;
}

/** Images that have anchors, the newest release first, without what is live. */
async function keptOf(
  ctx: ReadContext<RegistryConnection>,
  pointers: readonly (readonly [string, string | null])[],
): Promise<Ref[]> {
  const { connection } = ctx;
  const { repository, anchor, keep } = connection.settings;
  const asking = connection.asking(ctx);
  const tags = await connection.tags.all(() => listTags(asking, repository));
  const kept = anchorsIn(tags, anchor).slice(0, keep + 1);
  const isLive = new Set(pointers.map(([, digest]) => digest));
  return [...new Set(kept.map(({ digest }) => digest))].filter((digest) => !isLive.has(digest));
}
