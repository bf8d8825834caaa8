import { createHash } from "node:crypto";

/** One object of a bucket, with all that was sent along with its bytes. */
export interface S3Object {
  readonly body: Uint8Array;
  /** Quoted, as in the header. */
  readonly etag: string;
  /** Lower-case names: system headers, `x-amz-meta-*`, redirect location, checksum. */
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds since 1970, UTC. */
  readonly modifiedMs: number;
}

/** The objects of one bucket by key. */
export type S3Bucket = Map<string, S3Object>;

/** What stands in the way of a conditional write: status and S3 error code. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
}

/** What a client demands of the object that it is about to write or remove. */
export interface Conditions {
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
}

/** The account that owns all buckets of a sandbox. */
export const S3_ACCOUNT = "123456789012";

const KEPT =
  /^(?:cache-control|content-disposition|content-encoding|content-language|content-type|expires|x-amz-meta-.+|x-amz-website-redirect-location|x-amz-checksum-sha256|x-amz-server-side-encryption(?:-aws-kms-key-id)?|x-amz-storage-class|x-amz-tagging)$/;

const preconditionFailed: Refusal = { status: 412, code: "PreconditionFailed" };

/**
 * Tells why a write must not happen; undefined when its conditions hold.
 *
 * @see Amazon S3 User Guide, "How to prevent object overwrites with conditional writes"
 */
export function refusal(
  found: S3Object | undefined,
  { ifMatch, ifNoneMatch }: Conditions,
): Refusal | undefined {
  if (ifNoneMatch !== undefined && found !== undefined) return preconditionFailed;
  if (ifMatch === undefined) return undefined;
  if (found === undefined) return { status: 404, code: "NoSuchKey" };
  return ifMatch === "*" || unquoted(ifMatch) === unquoted(found.etag)
    ? undefined
    : preconditionFailed;
}

/** The headers that an object keeps of the request that wrote it. */
export function keptHeaders(sent: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(sent).filter(([name]) => KEPT.test(name)));
}

/** Makes an object as a single PUT does: its ETag is the MD5 of its bytes. */
export function s3Object(
  body: Uint8Array,
  headers: Readonly<Record<string, string>>,
  modifiedMs: number,
): S3Object {
  const etag = `"${createHash("md5").update(body).digest("hex")}"`;
  return { body, etag, headers, modifiedMs };
}

function unquoted(etag: string): string {
  return etag.replaceAll('"', "");
}
