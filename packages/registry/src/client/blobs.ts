import { isLockstepError } from "@lockstep/plugin";
import { type Digest, digester, digestOf } from "../digest.ts";
import { answerUnexpected, contentWrong } from "../errors.ts";
import { isPassing } from "../net/pace.ts";
import { drop, readBody } from "../net/read.ts";
import type { Answer } from "../net/transport.ts";
import { isSameOrigin, withDigest } from "../net/url.ts";
import { nameOf, type Repository } from "../reference.ts";
import { type Asking, type Blob, locationOf } from "./asking.ts";
import { type Call, refusalOf } from "./client.ts";
import { resumeUpload } from "./resume.ts";

/** From this size it pays to ask first whether a blob is there. */
const ASK_FIRST_BYTES = 1024 * 1024;
/** Upload sessions that are opened for one blob before it is given up. */
const MOST_SESSIONS = 5;

/** What a registry complains of, with whatever status, when another session may do better. */
const ANEW: ReadonlySet<string> = new Set([
  "BLOB_UPLOAD_INVALID",
  "BLOB_UPLOAD_UNKNOWN",
  "TOOMANYREQUESTS",
]);

/** Whether a repository holds a blob. */
export async function hasBlob(
  { client, ctx }: Asking,
  repository: Repository,
  digest: Digest,
): Promise<boolean> {
  const call: Call = { method: "HEAD", repository, at: `blobs/${digest}` };
  const answer = await client.call(ctx, call, { mayBeForbidden: true });
  answer.body.resume();
  return answer.status === 200;
}

/**
 * Reads a small blob.
 *
 * @throws {LockstepError} `REGISTRY_CONTENT` when its bytes are not what the digest says
 */
export async function readBlob(
  asking: Asking,
  { repository, digest }: { readonly repository: Repository; readonly digest: Digest },
  most: number,
): Promise<Buffer> {
  const bytes = await readBody(await openBlob(asking, repository, digest), most);
  const found = digestOf(bytes);
  if (found !== digest) throw contentWrong(`A blob of ${nameOf(repository)}`, digest, found);
  return bytes;
}

/** Reads a blob piece by piece; the digest is compared at the end. */
export async function* streamBlob(
  asking: Asking,
  repository: Repository,
  digest: Digest,
): AsyncGenerator<Uint8Array> {
  const answer = await openBlob(asking, repository, digest);
  const sum = digester();
  for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
    sum.update(chunk);
    yield chunk;
  }
  const found = sum.finish().digest;
  if (found !== digest) throw contentWrong(`A blob of ${nameOf(repository)}`, digest, found);
}

async function openBlob(
  { client, ctx }: Asking,
  repository: Repository,
  digest: Digest,
): Promise<Answer> {
  const call: Call = { method: "GET", repository, at: `blobs/${digest}` };
  const answer = await client.call(ctx, call);
  if (answer.status !== 200) throw await client.unexpected(call, answer);
  return answer;
}

/** Where a blob is to be, and how it may get there. */
export interface PushOptions {
  readonly repository: Repository;
  /** Another repository of the registry that has it. */
  readonly from?: Repository | undefined;
  /** The registry goes on with uploads that were cut. */
  readonly resumes?: boolean;
}

/** How a blob got where it is. */
export type Arrived = "there" | "mounted" | "uploaded";

/**
 * Brings a blob into a repository: by a mount from another one where that is offered and works, else by
 * one upload, gone on with where the registry can, and begun anew whenever the session is lost.
 *
 * @throws {LockstepError} `REGISTRY_ANSWER`, `REGISTRY_CONTENT`
 * @see OCI distribution specification, "Pushing blobs"
 */
export async function pushBlob(
  asking: Asking,
  blob: Blob,
  { repository, from, resumes = false }: PushOptions,
): Promise<Arrived> {
  const isAsked = from !== undefined || blob.size >= ASK_FIRST_BYTES;
  if (isAsked && (await hasBlob(asking, repository, blob.digest))) return "there";
  let location = from === undefined ? undefined : await mount(asking, blob, { repository, from });
  if (location === "mounted") return "mounted";

  for (let sessions = 1; ; sessions += 1) {
    location ??= await begin(asking, repository);
    const call: Call = {
      method: "PUT",
      repository,
      at: withDigest(location, blob.digest),
      headers: { "content-type": "application/octet-stream" },
      body: blob,
    };
    const outcome = await finish(asking, call, sessions === MOST_SESSIONS);
    if (outcome === "stored") return "uploaded";
    const cut = { repository, location, blob };
    if (resumes && (await resumeUpload(asking, cut)) === "stored") return "uploaded";
    location = undefined;
    await cancel(asking, call);
    // a lost reply: the blob may be there all the same
    if (blob.size >= ASK_FIRST_BYTES && (await hasBlob(asking, repository, blob.digest)))
      return "there";
  }
}

async function mount(
  asking: Asking,
  { digest }: Blob,
  { repository, from }: { readonly repository: Repository; readonly from: Repository },
): Promise<URL | "mounted" | undefined> {
  const { client, ctx } = asking;
  const way = `${repository.host}/${repository.path} from ${from.path}`;
  if (client.refusedMounts.has(way)) return undefined;
  const call: Call = {
    method: "POST",
    repository,
    at: "blobs/uploads/",
    query: { mount: digest, from: from.path },
    reads: [from],
  };
  try {
    const answer = await client.call(ctx, call, { mayBeForbidden: true });
    await drop(answer);
    if (answer.status === 201) return "mounted";
    if (answer.status === 202) return locationOf(answer);
  } catch (error) {
    // whatever a registry has against a mount, an upload may still do
    ctx.signal.throwIfAborted();
    if (!isLockstepError(error) || !REFUSES_MOUNT.has(error.code)) throw error;
  }
  client.refusedMounts.add(way);
  return undefined;
}

/** The token server gives no token for two repositories, or one that does not do. */
const REFUSES_MOUNT: ReadonlySet<string> = new Set(["REGISTRY_LOGIN", "REGISTRY_FORBIDDEN"]);

async function begin({ client, ctx }: Asking, repository: Repository): Promise<URL> {
  const call: Call = { method: "POST", repository, at: "blobs/uploads/" };
  const answer = await client.call(ctx, call);
  if (answer.status !== 202) throw await client.unexpected(call, answer);
  await drop(answer);
  return locationOf(answer);
}

/** `lost` when another session may do better. */
async function finish(
  { client, ctx }: Asking,
  call: Call,
  isLast: boolean,
): Promise<"stored" | "lost"> {
  let answer;
  try {
    answer = await client.call(ctx, call, { once: true });
  } catch (error) {
    const isPassingTrouble = error instanceof Error && "retryable" in error && error.retryable;
    if (isLast || isPassingTrouble !== true) throw error;
    return "lost";
  }
  if (answer.status === 201 || answer.status === 204) {
    await drop(answer);
    return "stored";
  }
  const isLost = answer.status === 404 || answer.status === 416 || isPassing(answer.status);
  if (isLast || !isLost) {
    const refusal = await refusalOf(call, answer);
    if (isLast || !refusal.complaints.some(({ code }) => ANEW.has(code)))
      throw answerUnexpected(refusal);
  }
  await client.wait(ctx, answer);
  return "lost";
}

/** Some registries count open sessions. Nothing depends on it. */
async function cancel({ client, ctx }: Asking, { repository, at }: Call): Promise<void> {
  if (!(at instanceof URL) || !isSameOrigin(at, client.urlOf(repository))) return;
  // asked with the right to push alone: some token servers refuse to give the right to delete
  const call: Call = { method: "DELETE", repository, at, pushOnly: true };
  await client.call(ctx, call, { mayBeForbidden: true, once: true }).then(drop, () => {});
  ctx.signal.throwIfAborted();
}
