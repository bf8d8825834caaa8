import { setTimeout as sleep } from "node:timers/promises";
import type { Json } from "@lockstep/plugin";
import type { Digest } from "../digest.ts";
import { contentWrong } from "../errors.ts";
import { descriptorOf, writtenManifest } from "../image/image.ts";
import { type Descriptor, parseManifest, parseObject, type RawManifest } from "../image/model.ts";
import { OCI } from "../media-types.ts";
import { drop, readBody } from "../net/read.ts";
import { nameOf, type Repository } from "../reference.ts";
import type { Asking } from "./asking.ts";
import { getManifest, putManifest } from "./manifests.ts";

/** Most bytes of a list of referrers. */
const LIST_BYTES = 4 * 1024 * 1024;
/** Most manifests that may speak of one image. */
const MOST_REFERRERS = 100;
/** Times a list that somebody else writes too is merged again. */
const MERGES = 3;

/**
 * The manifests that speak of another one: from the API, else from the tag that stands in for it.
 *
 * @see OCI distribution specification, "Listing Referrers" and "Referrers Tag Schema"
 */
export async function referrersOf(
  asking: Asking,
  repository: Repository,
  subject: Digest,
): Promise<readonly RawManifest[]> {
  const listed =
    (await listByApi(asking, repository, subject)) ??
    (await listByTag(asking, repository, subject)).manifests;
  const all = await Promise.all(
    listed.slice(0, MOST_REFERRERS).map(({ digest }) => getManifest(asking, repository, digest)),
  );
  return all.filter((raw) => raw !== undefined);
}

/** Undefined: there is no such API. */
async function listByApi(
  { client, ctx }: Asking,
  repository: Repository,
  subject: Digest,
): Promise<readonly Descriptor[] | undefined> {
  const call = { method: "GET", repository, at: `referrers/${subject}` } as const;
  const answer = await client.call(ctx, call, { mayBeForbidden: true });
  const type = answer.header("content-type")[0] ?? "";
  if (answer.status !== 200 || !type.startsWith(OCI.index)) {
    await drop(answer);
    return undefined;
  }
  const bytes = await readBody(answer, LIST_BYTES);
  const index = parseManifest({ bytes, mediaType: OCI.index, digest: subject });
  return index?.kind === "index" ? index.manifests : [];
}

async function listByTag(
  asking: Asking,
  repository: Repository,
  subject: Digest,
): Promise<{ readonly manifests: readonly Descriptor[] }> {
  const raw = await getManifest(asking, repository, tagOf(subject));
  // GitLab answers with the subject itself
  const index = raw === undefined || raw.digest === subject ? undefined : parseManifest(raw);
  return index?.kind === "index" ? index : { manifests: [] };
}

/** `sha256-<hex>`: where registries without the API keep the list. */
export function tagOf(subject: Digest): string {
  return subject.replace(":", "-");
}

/**
 * Stores a manifest that speaks of another one, where everybody looks for it. The list behind the tag is
 * merged and read back, because others may write it at the same time.
 *
 * @see OCI distribution specification, "Pushing Manifests with Subject"
 */
export async function putReferrer(
  asking: Asking,
  repository: Repository,
  { referrer, subject }: { readonly referrer: RawManifest; readonly subject: Digest },
): Promise<void> {
  const { digest } = referrer;
  const put = await putManifest(asking, { repository, manifest: referrer, reference: digest });
  if ("missing" in put)
    throw contentWrong("A part of what goes with the image", put.missing, "nothing");
  if (put.subject || (await listByApi(asking, repository, subject)) !== undefined) return;

  const entry = entryOf(referrer);
  for (let tries = 0; tries < MERGES; tries += 1) {
    const { manifests } = await listByTag(asking, repository, subject);
    if (manifests.some((one) => one.digest === digest)) return;
    const list = writtenManifest(OCI.index, { manifests: [...manifests, entry] as Json });
    await putManifest(asking, { repository, manifest: list, reference: tagOf(subject) });
    const { manifests: after } = await listByTag(asking, repository, subject);
    if (after.some((one) => one.digest === digest)) return;
    await sleep(asking.ctx.random() * 200, undefined, { signal: asking.ctx.signal });
  }
  throw contentWrong(`${nameOf(repository)}:${tagOf(subject)}`, digest, "a list without it");
}

function entryOf(raw: RawManifest): Descriptor {
  const { artifactType, config, annotations } = parseObject(raw.bytes) ?? {};
  const type = artifactType ?? (config as { mediaType?: unknown } | undefined)?.mediaType;
  return {
    ...descriptorOf(raw),
    ...(typeof type === "string" ? { artifactType: type } : {}),
    ...(annotations === undefined ? {} : { annotations: annotations as Record<string, string> }),
  };
}
