import type { Finding, ReadContext } from "@lockstep/plugin";
import type { S3Connection } from "./connection.ts";
import { ABSENT_ETAG } from "./layout.ts";
import type { Pointer } from "./pointer.ts";
import { stillHolds } from "./probe/capabilities.ts";
import { trialKey } from "./rights.ts";

/** Milliseconds for one question without credentials. */
const TIMEOUT_MS = 10_000;

/**
 * Asks without credentials: whether everybody may read Lockstep's own objects, which hold names and bytes of files
 * that are not live yet, and whether everybody may list or write. Changes nothing: writing is tried only
 * where the server keeps conditions, with one that cannot hold.
 */
export async function* exposureFindings(
  { connection: { settings, layout }, env, signal, now }: ReadContext<S3Connection>,
  { conditions }: Pointer,
): AsyncGenerator<Finding> {
  const { check, prefix, state } = settings;
  const server = serverOf(settings.bucket, env);
  const fix = `Exclude ${state}* from the policy that lets visitors read.`;
  const urls = [
    ...(check === undefined ? [] : [`${check.url}/${layout.current.slice(prefix.length)}`]),
    ...(server === undefined ? [] : [`${server}/${layout.current}`]),
  ];
  for (const url of urls) {
    if ((await statusOf(url, { signal })) !== 200) continue;
    yield { level: "warn", text: `Everybody may read Lockstep's own objects: ${url}`, fix };
  }
  if (server === undefined) return;
  const listing = `${server}?list-type=2&max-keys=1&prefix=${encodeURIComponent(state)}`;
  if ((await statusOf(listing, { signal })) === 200) {
    const text = `Everybody may list the bucket: ${server}`;
    yield { level: "warn", text, fix: "Take s3:ListBucket out of the policy for everybody." };
  }
  const sighting = { server: settings.bucket.endpoint ?? "aws", at: now() };
  if (conditions?.verdict !== "obeyed" || !stillHolds(conditions, sighting)) return;
  const headers = { "if-match": ABSENT_ETAG };
  const answer = await statusOf(`${server}/${trialKey(settings)}`, {
    method: "PUT",
    body: "A trial of Lockstep, never to be there",
    headers,
    signal,
  });
  // 404 and 412 come after the question who asks
  if (answer !== 404 && answer !== 412) return;
  const text = `Everybody may write to the bucket: ${server}`;
  yield { level: "fail", text, fix: "Take s3:PutObject out of the policy for everybody." };
}

/** Where the bucket answers in the path; undefined where that is not known. */
function serverOf(
  { endpoint, pathStyle, bucket, region }: S3Connection["settings"]["bucket"],
  env: ReadContext<S3Connection>["env"],
): string | undefined {
  if (endpoint !== undefined) return pathStyle ? `${endpoint}/${bucket}` : undefined;
  const named = region ?? env["AWS_REGION"] ?? env["AWS_DEFAULT_REGION"];
  return named === undefined ? undefined : `https://s3.${named}.amazonaws.com/${bucket}`;
}

async function statusOf(url: string, request: RequestInit): Promise<number | undefined> {
  const { signal } = request;
  try {
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(url, {
      ...request,
      redirect: "manual",
      signal: AbortSignal.any([...(signal ? [signal] : []), timeout]),
    });
    await response.body?.cancel();
    return response.status;
  } catch {
    signal?.throwIfAborted();
    return undefined; // what cannot be reached from here cannot be read from here
  }
}
