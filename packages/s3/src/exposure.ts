import type { Finding, ReadContext } from "@lockstep/plugin";
import type { S3Connection } from "./connection.ts";
import { ABSENT_ETAG } from "./layout.ts";
import type { Pointer } from "./pointer.ts";
import { stillHolds } from "./probe/capabilities.ts";
import { trialKey } from "./rights.ts";

/** Milliseconds for one question without credentials. */
const TIMEOUT_MS = 10_000;

/** From so many milliseconds on people are told that a clock is wrong. */
const MOST_SKEW_MS = 5 * 60_000;

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
    if ((await answerOf(url, { signal }))?.status !== 200) continue;
    yield { level: "warn", text: `Everybody may read Lockstep's own objects: ${url}`, fix };
  }
  if (server === undefined) return;
  const listing = `${server}?list-type=2&max-keys=1&prefix=${encodeURIComponent(state)}`;
  const listed = await answerOf(listing, { signal });
  yield* clockFindings(listed?.headers.get("date"));
  if (listed?.status === 200) {
    const text = `Everybody may list the bucket: ${server}`;
    yield { level: "warn", text, fix: "Take s3:ListBucket out of the policy for everybody." };
  }
  const sighting = { server: settings.bucket.endpoint ?? "aws", at: now() };
  if (conditions?.verdict !== "obeyed" || !stillHolds(conditions, sighting)) return;
  const headers = { "if-match": ABSENT_ETAG };
  const answer = await answerOf(`${server}/${trialKey(settings)}`, {
    method: "PUT",
    body: "A trial of Lockstep, never to be there",
    headers,
    signal,
  });
  // 404 and 412 come after the question who asks
  if (answer?.status !== 404 && answer?.status !== 412) return;
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

/** Requests are signed with the time: a server says when it is wrong, and is asked again with its own. */
function* clockFindings(date: string | null | undefined): Generator<Finding> {
  const aheadMs = Date.now() - Date.parse(date ?? "");
  if (!(Math.abs(aheadMs) > MOST_SKEW_MS)) return; // also where nothing is said
  const minutes = Math.round(Math.abs(aheadMs) / 60_000);
  const text = `The clock of this machine is ${minutes} minutes ${aheadMs > 0 ? "ahead of" : "behind"} the server's`;
  yield { level: "warn", text, fix: "Set the clock of this machine." };
}

async function answerOf(url: string, request: RequestInit): Promise<Response | undefined> {
  const { signal } = request;
  try {
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(url, {
      ...request,
      redirect: "manual",
      signal: AbortSignal.any([...(signal ? [signal] : []), timeout]),
    });
    await response.body?.cancel();
    return response;
  } catch {
    signal?.throwIfAborted();
    return undefined; // what cannot be reached from here cannot be read from here
  }
}
