import { randomBytes } from "node:crypto";
import { type Finding, isLockstepError, type ReadContext } from "@lockstep/plugin";
import { accessRights } from "./access.ts";
import type { S3Connection } from "./connection.ts";
import { ABSENT_ETAG } from "./layout.ts";
import type { S3Settings } from "./options.ts";
import type { Pointer } from "./pointer.ts";
import { stillHolds } from "./probe/capabilities.ts";

/**
 * Asks for each right that a run needs, changing nothing: what is written and removed has a name of its own and
 * a condition that cannot hold, so a server refuses the account or the condition. Where it is not known that
 * the server keeps conditions, writing is not tried.
 */
export async function* rightsFindings(
  ctx: ReadContext<S3Connection>,
  { conditions }: Pointer,
): AsyncGenerator<Finding> {
  const { bucket, layout, settings } = ctx.connection;
  const { signal } = ctx;
  const place = `${bucket.name}/${settings.prefix}`;
  const key = trialKey(settings);
  const list = async (): Promise<void> => {
    for await (const _ of bucket.list(layout.releases, { signal })) break;
  };
  yield* asked(`list ${place}`, "s3:ListBucket", list);
  const sighting = { server: settings.bucket.endpoint ?? "aws", at: ctx.now() };
  if (conditions?.verdict === "obeyed" && stillHolds(conditions, sighting)) {
    const body = Buffer.from("A trial of Lockstep, never to be there");
    yield* asked(`write below ${place}`, "s3:PutObject", () =>
      bucket.put({ key, body, etag: ABSENT_ETAG }, { signal }),
    );
    yield* asked(`remove below ${place}`, "s3:DeleteObject", () =>
      bucket.remove(key, { signal, etag: ABSENT_ETAG }),
    );
  } else {
    const text = `Whether the account may write and remove below ${place} was not tried: the first run does`;
    yield { level: "ok", text };
  }
  const policy = JSON.stringify(policyOf(settings));
  yield { level: "ok", text: `Rights that a run needs, and no others: ${policy}` };
  const optional = JSON.stringify({
    Effect: "Allow",
    Action: Object.values(accessRights),
    Resource: `arn:aws:s3:::${settings.bucket.bucket}`,
  });
  yield {
    level: "ok",
    text: `Rights that only \`lockstep doctor\` uses, where it has them: ${optional}`,
  };
}

/** A key below the state that nothing is ever under. */
export function trialKey({ state }: S3Settings): string {
  return `${state}.trial-${randomBytes(8).toString("hex")}`;
}

async function* asked(
  what: string,
  action: string,
  ask: () => Promise<unknown>,
): AsyncGenerator<Finding> {
  try {
    await ask();
    yield { level: "ok", text: `The account may ${what}` };
  } catch (error) {
    if (!isLockstepError(error)) throw error;
    const { code, message, hint = "" } = error;
    yield code === "S3_DENIED"
      ? { level: "fail", text: `The account may not ${what}`, fix: `Allow it ${action}.` }
      : { level: "fail", text: message, fix: hint };
  }
}

/**
 * The least policy for one site.
 *
 * @see Amazon S3 User Guide, "Required permissions for Amazon S3 API operations"
 */
export function policyOf({ bucket, prefix }: S3Settings): object {
  const arn = `arn:aws:s3:::${bucket.bucket}`;
  const tagged = bucket.storedWith["x-amz-tagging"] !== undefined;
  const key = bucket.storedWith["x-amz-server-side-encryption-aws-kms-key-id"];
  const objects = [
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    ...(tagged ? ["s3:PutObjectTagging"] : []),
  ];
  const within = prefix === "" ? {} : { Condition: { StringLike: { "s3:prefix": `${prefix}*` } } };
  const keyUse = {
    Effect: "Allow",
    Action: ["kms:GenerateDataKey", "kms:Decrypt"],
    Resource: key?.startsWith("arn:") === true ? key : "*",
  };
  return {
    Version: "2012-10-17",
    Statement: [
      { Effect: "Allow", Action: objects, Resource: `${arn}/${prefix}*` },
      { Effect: "Allow", Action: "s3:ListBucket", Resource: arn, ...within },
      ...(key === undefined ? [] : [keyUse]),
    ],
  };
}
