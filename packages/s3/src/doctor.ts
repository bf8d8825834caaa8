import { type Finding, isLockstepError, type ReadContext } from "@lockstep/plugin";
import type { S3Connection } from "./connection.ts";
import type { Pointer } from "./pointer.ts";

/** Milliseconds for one question without credentials. */
const TIMEOUT_MS = 10_000;

/** Looks at the bucket, at its control object, and at what everybody may read. Changes nothing. */
export async function* doctor(ctx: ReadContext<S3Connection>): AsyncGenerator<Finding> {
  const { bucket, control } = ctx.connection;
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
  } else yield { level: "ok", text: `${pointer.live ?? "No release"} is live` };
  if (pointer.conditions?.verdict === "ignored") {
    yield {
      level: "warn",
      text: `${bucket.name} ignores the conditions of writes: only the lease keeps two runs apart`,
      fix: "Keep the store of the environment somewhere else, or use a server that keeps conditions.",
    };
  }
  yield* exposureFindings(ctx);
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
