import {
  canonicalJson,
  type Json,
  type PlanContext,
  type Release,
  type TargetContext,
} from "@lockstep/plugin";
import type { RegistryConnection } from "./connection.ts";
import { newerIsLive, rightMissing, tagImmutable } from "./errors.ts";
import type { Image } from "./image/image.ts";
import { parseManifest, parseObject, type RawManifest } from "./image/model.ts";
import type { RegistrySettings } from "./options.ts";
import { nameOf } from "./reference.ts";
import type { ImageSource } from "./source-options.ts";
import type { Previous } from "./sources/building.ts";

/** Grows with every build that may replace an earlier one. */
const ORDER = "dev.lockstep.order";
/** On every image that Lockstep made. */
const MARK = "dev.lockstep.version";
const REVISION = "org.opencontainers.image.revision";

/** Of all annotations the ones that say when an image was built and not what is in it. */
const WHEN: ReadonlySet<string> = new Set([ORDER, REVISION]);

/** What is written into the manifest of a release. */
export function descriptionOf(
  { annotations }: RegistrySettings,
  { commit, order }: Release,
): Record<string, string> {
  return {
    ...(commit === undefined ? {} : { [REVISION]: commit }),
    ...annotations,
    ...(order === undefined ? {} : { [ORDER]: String(order) }),
    [MARK]: "1",
  };
}

/** Whether Lockstep made the image, in some run. */
export function isMarked(annotations: Readonly<Record<string, string>>): boolean {
  return annotations[MARK] !== undefined;
}

/**
 * Whether the live image is the wanted one but for the revision it was built from: the same content is not
 * deployed again for a new commit.
 */
export function isSameContent({ root, children }: Previous, image: Image): boolean {
  if (root === undefined) return false;
  if (root.digest === image.root.digest) return true;
  const all = (manifests: readonly RawManifest[]): string =>
    canonicalJson(manifests.map((raw) => contentOf(raw)));
  const isIndex = parseManifest(root)?.kind === "index";
  // the digests in an index change with the annotations of what it lists
  if (isIndex !== image.children.length > 0) return false;
  return isIndex
    ? all(children) === all(image.children) && outsideOf(root) === outsideOf(image.root)
    : all([root]) === all([image.root]);
}

function contentOf({ bytes }: RawManifest): Json {
  const { annotations, ...rest } = (parseObject(bytes) ?? {}) as Record<string, Json>;
  return { ...rest, annotations: withoutWhen(annotations) };
}

function outsideOf({ bytes, mediaType }: RawManifest): string {
  const { annotations } = (parseObject(bytes) ?? {}) as Record<string, Json>;
  return canonicalJson({ mediaType, annotations: withoutWhen(annotations) });
}

function withoutWhen(annotations: Json | undefined): Json {
  const entries = Object.entries((annotations ?? {}) as Record<string, Json>);
  return Object.fromEntries(entries.filter(([name]) => !WHEN.has(name)));
}

type Tags = ReadonlyMap<string, RawManifest | null>;

/**
 * Newest wins: refuses to replace what a newer build has put behind a tag.
 *
 * @throws {LockstepError} `REGISTRY_NEWER`
 */
export function refuseOlder(
  { newestWins, repository }: RegistrySettings,
  { tags, release }: { readonly tags: Tags; readonly release: Release },
): void {
  if (!newestWins || release.order === undefined) return;
  for (const [tag, raw] of tags) {
    const annotations = raw === null ? {} : (parseManifest(raw)?.annotations ?? {});
    const found = Number(annotations[ORDER] ?? Number.NaN);
    if (!(found > release.order)) continue;
    const revision = annotations[REVISION];
    throw newerIsLive(`${nameOf(repository)}:${tag}`, { ours: release.order, found, revision });
  }
}

/**
 * Where tags cannot be moved, the plan says so, not the last step of a run.
 *
 * @throws {LockstepError} `REGISTRY_TAG_IMMUTABLE`
 */
export async function refuseImmutable(
  { settings: { repository }, tagsStay }: RegistryConnection,
  ctx: PlanContext<RegistryConnection>,
  { tags, root }: { readonly tags: Tags } & Pick<Image, "root">,
): Promise<void> {
  const taken = [...tags].find(([, raw]) => raw !== null && raw.digest !== root.digest);
  if (taken === undefined || !(await tagsStay(ctx))) return;
  throw tagImmutable(`${nameOf(repository)}:${taken[0]}`, []);
}

/**
 * Finds out before anything is sent that the account may only read, where its token says so.
 *
 * @throws {LockstepError} `REGISTRY_FORBIDDEN`
 */
export async function refuseReader(
  { asking, settings: { repository } }: RegistryConnection,
  ctx: TargetContext,
): Promise<void> {
  const { client } = asking(ctx);
  const rights = await client.rightsIn(ctx, repository);
  if (rights === undefined || rights.includes("push")) return;
  throw rightMissing(nameOf(repository), "push", {
    rights,
    origin: client.originOf(repository),
  });
}

/** What of an image looks like a secret: everybody who can pull the image can read it. */
export function doubtsAbout({
  source,
  annotations,
}: Pick<RegistrySettings, "annotations" | "source">): string[] {
  return [...doubtsIn(source), ...secretNames(annotations)].map(
    (name) => `${name} looks like a secret: everybody who can pull the image can read it.`,
  );
}

/** Names in the config of an image that look like those of secrets. */
export function doubtsIn(source: ImageSource): string[] {
  const { env = {}, labels = {} } = "directory" in source ? (source.run ?? {}) : {};
  return [...secretNames(env), ...secretNames(labels)];
}

function secretNames(texts: Readonly<Record<string, string>>): string[] {
  return Object.keys(texts).filter((name) =>
    /(token|secret|password|passwd|api_?key|private_?key)$/i.test(name),
  );
}
