import { type Finding, isLockstepError, type ReadContext } from "@lockstep/plugin";
import { accessFindings } from "./access-findings.ts";
import type { S3Connection } from "./connection.ts";
import { exposureFindings } from "./exposure.ts";
import type { Pointer } from "./pointer.ts";
import { rightsFindings } from "./rights.ts";

/** Looks at the bucket, at its control object, at what the account may do, and at what everybody may. Changes nothing. */
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
  yield* rightsFindings(ctx, pointer);
  yield* exposureFindings(ctx, pointer);
  yield* bucketFindings(ctx);
}

/** What the settings of the bucket say of who may use it. */
async function* bucketFindings({
  connection,
  signal,
}: ReadContext<S3Connection>): AsyncGenerator<Finding> {
  const { bucket, settings } = connection;
  const { prefix } = settings;
  const place = { name: bucket.name, bucket: settings.bucket.bucket, prefix, isRouted: false };
  yield* accessFindings(await bucket.access({ signal }), place);
}
