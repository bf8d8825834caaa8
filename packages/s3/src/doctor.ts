import { type Finding, isLockstepError, type ReadContext } from "@lockstep/plugin";
import type { S3Connection } from "./connection.ts";
import { storedHeaders, whichOf } from "./moves.ts";
import { inParallel } from "./parallel.ts";
import type { Pointer } from "./pointer.ts";
import { isSameHeaders, type SiteRelease } from "./release.ts";

/** Most keys that one finding names. */
const MOST_NAMES = 10;

/** Milliseconds for one question without credentials. */
const TIMEOUT_MS = 10_000;

/** Looks at the bucket, at every live object, and at what everybody may read. Changes nothing. */
export async function* doctor(ctx: ReadContext<S3Connection>): AsyncGenerator<Finding> {
  const { connection } = ctx;
  const { bucket, control } = connection;
  let pointer: Pointer;
  try {
    pointer = await control.read(ctx);
  } catch (error) {
    if (!isLockstepError(error)) throw error;
    const { message: text, hint } = error;
    yield { level: "fail", text, ...(hint === undefined ? {} : { fix: hint }) };
    return;
  }
  yield { level: "ok", text: `${bucket.name} answers and knows the account` };
  if (pointer.moving !== undefined) {
    yield {
      level: "fail",
      text: `Two releases are mixed: ${pointer.live ?? "nothing"} and ${pointer.moving.to}`,
      fix: "Run `lockstep recover`, or deploy again.",
    };
  } else if (pointer.live === null) yield { level: "ok", text: "No release is live yet" };
  else yield* siteFindings(await connection.release(pointer.live, ctx.signal), ctx);
  yield* exposureFindings(ctx);
}

/** Compares every object of the live release with the release, and counts what is not part of it. */
async function* siteFindings(
  release: SiteRelease,
  { connection, signal }: ReadContext<S3Connection>,
): AsyncGenerator<Finding> {
  const { bucket, layout, settings } = connection;
  const [missing, changed]: [string[], string[]] = [[], []];
  await inParallel(release.files, settings.limits.inFlight, async (file) => {
    const head = await bucket.head(layout.live(file.path), { signal });
    if (head === undefined) missing.push(file.path);
    else if (whichOf(head, [file]) === undefined) changed.push(file.path);
    else if (!isSameHeaders(head.headers, storedHeaders(file)))
      changed.push(`${file.path} (headers)`);
  });
  const fix = "Take the change into the source, put the object back or remove it, then deploy.";
  if (missing.length > 0) {
    yield {
      level: "fail",
      text: `${missing.length} live objects are gone: ${names(missing)}`,
      fix,
    };
  }
  if (changed.length > 0) {
    yield {
      level: "fail",
      text: `${changed.length} live objects were changed by others: ${names(changed)}`,
      fix,
    };
  }
  const whole = release.files.length - missing.length - changed.length;
  yield {
    level: "ok",
    text: `${whole} of ${release.files.length} live objects are as they were deployed`,
  };
}

/** Lockstep's own objects hold names and bytes of files that are not live yet. */
async function* exposureFindings({
  connection: { settings, layout },
  signal,
}: ReadContext<S3Connection>): AsyncGenerator<Finding> {
  const { check, bucket, prefix } = settings;
  const urls = [
    ...(check === undefined ? [] : [`${check.url}/${layout.current.slice(prefix.length)}`]),
    ...(bucket.endpoint === undefined || !bucket.pathStyle
      ? []
      : [`${bucket.endpoint}/${bucket.bucket}/${layout.current}`]),
  ];
  for (const url of urls) {
    const status = await statusOf(url, signal);
    if (status !== 200) continue;
    yield {
      level: "warn",
      text: `Everybody may read Lockstep's own objects: ${url}`,
      fix: `Exclude ${settings.state}* from the policy that lets visitors read.`,
    };
  }
}

async function statusOf(url: string, signal: AbortSignal): Promise<number | undefined> {
  try {
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(url, {
      redirect: "manual",
      signal: AbortSignal.any([signal, timeout]),
    });
    await response.body?.cancel();
    return response.status;
  } catch {
    signal.throwIfAborted();
    return undefined; // what cannot be reached from here cannot be read from here
  }
}

function names(all: readonly string[]): string {
  const sorted = all.toSorted();
  const more = sorted.length - MOST_NAMES;
  return `${sorted.slice(0, MOST_NAMES).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
