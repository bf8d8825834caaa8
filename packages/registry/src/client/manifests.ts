import { isLockstepError } from "@lockstep/plugin";
import { digestOf, isDigest } from "../digest.ts";
import { answerUnexpected, contentWrong, type Refusal, tagImmutable } from "../errors.ts";
import { parseObject, type RawManifest } from "../image/model.ts";
import { MANIFESTS } from "../media-types.ts";
import { drop, readBody } from "../net/read.ts";
import type { Answer } from "../net/transport.ts";
import { nameOf, type Repository } from "../reference.ts";
import type { Asking } from "./asking.ts";
import { type Call, refusalOf } from "./client.ts";

/** Most bytes of a manifest. */
const MANIFEST_BYTES = 4 * 1024 * 1024;
/** Most tags that are listed. */
const MOST_TAGS = 100_000;

/**
 * Reads a manifest by tag or digest; undefined when there is none. Its digest is that of its bytes,
 * whatever a header says.
 *
 * @throws {LockstepError} `REGISTRY_CONTENT` when it was asked by digest and is something else
 * @see OCI distribution specification, "Pulling manifests"
 */
export async function getManifest(
  { client, ctx }: Asking,
  repository: Repository,
  reference: string,
): Promise<RawManifest | undefined> {
  const call: Call = {
    method: "GET",
    repository,
    at: `manifests/${reference}`,
    headers: { accept: MANIFESTS.join(", ") },
  };
  // Artifactory answers 403 for a manifest that is not there
  const answer = await client.call(ctx, call, { mayBeForbidden: isDigest(reference) });
  if (answer.status === 404 || answer.status === 403) {
    await drop(answer);
    return undefined;
  }
  if (answer.status !== 200) throw await client.unexpected(call, answer);
  const bytes = await readBody(answer, MANIFEST_BYTES);
  const digest = digestOf(bytes);
  if (isDigest(reference) && digest !== reference) {
    throw contentWrong(`A manifest of ${nameOf(repository)}`, reference, digest);
  }
  const type = answer.header("content-type")[0] ?? "";
  return { bytes, digest, mediaType: type.split(";", 1)[0]?.trim() ?? "" };
}

/** What a manifest is stored as. */
export interface Put {
  readonly repository: Repository;
  readonly manifest: RawManifest;
  /** Its digest, or a tag that is to point at it. */
  readonly reference: string;
  /** Tags to be moved by the same request, where the registry can. */
  readonly tags?: readonly string[];
  /** Called before it is sent again; what it throws ends the call. */
  beforeRetry?(): Promise<void>;
}

/**
 * Stores a manifest.
 *
 * @returns `missing`: a blob it names is not there. Else the tags the registry says it moved besides.
 * @throws {LockstepError} `REGISTRY_TAG_IMMUTABLE`, `REGISTRY_ANSWER`, `REGISTRY_CONTENT`
 * @see OCI distribution specification, "Pushing Manifests"
 */
export async function putManifest(
  { client, ctx }: Asking,
  put: Put,
): Promise<
  { readonly missing: string } | { readonly moved: readonly string[]; readonly subject: boolean }
> {
  const { repository, manifest, reference, tags = [] } = put;
  const { bytes, mediaType, digest } = manifest;
  const call: Call = {
    method: "PUT",
    repository,
    at: `manifests/${reference}`,
    query: tags.length === 0 ? {} : { tag: tags },
    headers: { "content-type": mediaType },
    body: {
      size: bytes.length,
      async *open() {
        yield bytes;
      },
    },
  };
  const answer = await sendManifest({ client, ctx }, call, put);
  if ("missing" in answer) return answer;
  const said = answer.header("docker-content-digest")[0];
  await drop(answer);
  if (said !== undefined && said !== digest)
    throw contentWrong("The stored manifest", digest, said);
  return {
    moved: answer.header("oci-tag").flatMap((line) => line.split(",").map((tag) => tag.trim())),
    subject: answer.header("oci-subject").length > 0,
  };
}

/** Times that a manifest is sent to a registry that says, with whatever status, that it is asked too often. */
const MOST_PUTS = 5;

async function sendManifest(
  { client, ctx }: Asking,
  call: Call,
  put: Put,
): Promise<Answer | { readonly missing: string }> {
  const beforeRetry = async (): Promise<void> => put.beforeRetry?.();
  for (let tries = 1; ; tries += 1) {
    const answer = await client.call(ctx, call, { beforeRetry });
    if (answer.status === 201) return answer;
    const refusal = await refusalOf(call, answer);
    const isBusy = refusal.complaints.some(({ code }) => code === "TOOMANYREQUESTS");
    if (!isBusy || tries === MOST_PUTS) return refused(refusal, put);
    await client.wait(ctx, answer);
    await beforeRetry();
  }
}

function refused(
  refusal: Refusal,
  { repository, reference, tags = [] }: Put,
): { readonly missing: string } {
  const unknown = refusal.complaints.find(({ code }) =>
    ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"].includes(code),
  );
  if (unknown !== undefined) {
    return {
      missing: /sha256:[0-9a-f]{64}/.exec(`${unknown.detail} ${unknown.message}`)?.[0] ?? "",
    };
  }
  const moving = isDigest(reference) ? tags : [reference];
  const isProtected =
    moving.length > 0 &&
    [400, 405, 409, 412].includes(refusal.status) &&
    refusal.complaints.some(({ code, message }) =>
      /immutab|already exists|TAG_INVALID/i.test(`${code} ${message}`),
    );
  if (!isProtected) throw answerUnexpected(refusal);
  throw tagImmutable(`${nameOf(repository)}:${moving.join(", ")}`, refusal.complaints);
}

/** Removes a manifest by its digest, with all tags on it, or one tag. Tells the status. */
export async function deleteManifest(
  { client, ctx }: Asking,
  repository: Repository,
  reference: string,
): Promise<number> {
  const call: Call = { method: "DELETE", repository, at: `manifests/${reference}` };
  try {
    const answer = await client.call(ctx, call, { mayBeForbidden: true });
    await drop(answer);
    return answer.status;
  } catch (error) {
    // an account that may push and not delete gets no token for it, or one that does not do
    if (isLockstepError(error) && NOT_LET_IN.has(error.code)) return 401;
    throw error;
  }
}

const NOT_LET_IN: ReadonlySet<string> = new Set(["REGISTRY_LOGIN", "REGISTRY_FORBIDDEN"]);

/**
 * Every tag of a repository; none when there is no repository yet.
 *
 * @see OCI distribution specification, "Listing Tags"
 */
export async function listTags({ client, ctx }: Asking, repository: Repository): Promise<string[]> {
  const tags: string[] = [];
  let call: Call = { method: "GET", repository, at: "tags/list", query: { n: "1000" } };
  for (;;) {
    const answer = await client.call(ctx, call);
    if (answer.status === 404) {
      await drop(answer);
      return tags;
    }
    if (answer.status !== 200) throw await client.unexpected(call, answer);
    const page = tagsIn(await readBody(answer, MANIFEST_BYTES));
    tags.push(...page);
    const next = /<([^>]+)>\s*;[^,]*rel="?next"?/.exec(answer.header("link").join(","))?.[1];
    const url = next === undefined ? null : URL.parse(next, answer.url.href);
    if (url === null || page.length === 0 || tags.length > MOST_TAGS) return tags;
    call = { method: "GET", repository, at: url };
  }
}

function tagsIn(body: Buffer): string[] {
  const tags = parseObject(body)?.["tags"];
  return Array.isArray(tags) ? tags.filter((tag) => typeof tag === "string") : [];
}
