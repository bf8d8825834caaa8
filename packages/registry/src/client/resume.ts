import { drop } from "../net/read.ts";
import type { Answer, Body } from "../net/transport.ts";
import { withDigest } from "../net/url.ts";
import type { Repository } from "../reference.ts";
import { type Asking, type Blob, locationOf } from "./asking.ts";
import type { Call } from "./client.ts";

/** An upload that was cut. */
export interface CutUpload {
  readonly repository: Repository;
  readonly location: URL;
  readonly blob: Blob;
}

/** Times that one upload is gone on with. */
const MOST_TRIES = 5;

/**
 * Sends what a registry has not got yet of an upload that was cut, as often as it gets on. For registries that are
 * known to keep it: others forget the session, or append what they should compare. Whatever they do, the last request
 * names the digest, and a blob that is not whole is refused.
 *
 * @returns `lost` when the upload has to begin anew.
 * @see OCI distribution specification, "Pushing a blob in chunks"
 */
export async function resumeUpload(
  asking: Asking,
  { repository, location, blob }: CutUpload,
): Promise<"stored" | "lost"> {
  let at = location;
  let before = 0;
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const status = await send(asking, { method: "GET", repository, at, pushOnly: true });
    const held = status?.status === 204 ? heldOf(status) : undefined;
    if (status === undefined || held === undefined || held <= before || held > blob.size)
      return "lost";
    before = held;
    at = status.header("location")[0] === undefined ? at : locationOf(status);
    const next = held === blob.size ? at : await sendRest(asking, { repository, at, blob, held });
    if (next === undefined) continue;
    const url = withDigest(next, blob.digest);
    const end = await send(asking, { method: "PUT", repository, at: url });
    return end?.status === 201 || end?.status === 204 ? "stored" : "lost";
  }
  return "lost";
}

/** Bytes a registry has got. `0-0` is what some say for none, too. */
function heldOf({ header }: Answer): number | undefined {
  const last = Number(/^(?:bytes=)?0-(\d+)$/.exec(header("range")[0] ?? "")?.[1] ?? 0);
  return last === 0 ? undefined : last + 1;
}

/** Where the upload goes on; undefined when it was cut again. */
async function sendRest(
  asking: Asking,
  {
    repository,
    at,
    blob,
    held,
  }: Pick<CutUpload, "repository" | "blob"> & { readonly at: URL; readonly held: number },
): Promise<URL | undefined> {
  const answer = await send(asking, {
    method: "PATCH",
    repository,
    at,
    headers: {
      "content-type": "application/octet-stream",
      "content-range": `${held}-${blob.size - 1}`,
    },
    body: restOf(blob, held),
  });
  return answer?.status === 202 ? locationOf(answer) : undefined;
}

function restOf({ size, open }: Body, held: number): Body {
  return {
    size: size - held,
    async *open(signal) {
      let skip = held;
      for await (const piece of open(signal)) {
        if (skip < piece.length) yield skip === 0 ? piece : piece.subarray(skip);
        skip = Math.max(0, skip - piece.length);
      }
    },
  };
}

/** Sends once; undefined when the network failed on the way. */
async function send({ client, ctx }: Asking, call: Call): Promise<Answer | undefined> {
  try {
    const answer = await client.call(ctx, call, { once: true, mayBeForbidden: true });
    await drop(answer);
    return answer;
  } catch (error) {
    ctx.signal.throwIfAborted();
    if (error instanceof Error && "retryable" in error && error.retryable === true)
      return undefined;
    throw error;
  }
}
