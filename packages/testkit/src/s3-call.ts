import { keptHeaders, refusal, type S3Bucket } from "./s3-objects.ts";
import { errorXml } from "./s3-xml.ts";

/** How a sandbox S3 server differs from one that does everything right. */
export interface S3Quirks {
  /** Accepts conditions of writes and ignores them. */
  readonly ignoresConditions?: boolean;
  /** Knows the ETag of `If-Match` only without its quotes. */
  readonly unquotedIfMatch?: boolean;
  /** Ignores conditions of everything but PUT: those of copies, removals and multipart uploads. */
  readonly conditionsOnlyOnPut?: boolean;
  /** Answers 412 rather than 404 where `If-Match` names a missing key. */
  readonly missingIsRefused?: boolean;
  /** Copies the redirect location along with the other headers of an object. */
  readonly copiesRedirects?: boolean;
  /** Neither verifies nor keeps `x-amz-checksum-sha256`. */
  readonly noChecksums?: boolean;
  /** How far, in milliseconds, its clock is ahead. */
  readonly clockSkewMs?: number;
}

/** Who may do what with the buckets of a sandbox besides their account, as their settings say it. Nothing is enforced. */
export interface S3Access {
  /** Blocks of public access that are on: `RestrictPublicBuckets`, `IgnorePublicAcls`, … */
  readonly blocks?: readonly string[];
  /** The policy of the bucket, and whether the server calls it public. */
  readonly policy?: { readonly document: object; readonly isPublic: boolean };
  /** Permissions of groups by the ends of their names, such as `AllUsers`. */
  readonly grants?: Readonly<Record<string, string>>;
  /** Who owns objects: with `BucketOwnerEnforced` no ACL counts. */
  readonly ownership?: string;
  /** Settings that the account may not read, by the names that their requests have. */
  readonly hidden?: readonly string[];
}

/** One request that the server got. */
export interface S3Request {
  readonly method: string;
  readonly bucket: string;
  /** Decoded; empty for the bucket itself. */
  readonly key: string;
}

/** One request, with all that it may see and change. */
export interface S3Call extends S3Request {
  readonly headers: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: Buffer;
  readonly nowMs: number;
  readonly quirks: S3Quirks;
  readonly access: S3Access;
  readonly buckets: ReadonlyMap<string, S3Bucket>;
  /** Multipart uploads under way, by their ids. */
  readonly uploads: Map<string, S3Upload>;
}

/** What is sent back. */
export interface S3Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

/** An object that arrives in parts. */
export interface S3Upload {
  readonly bucket: string;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly parts: Map<number, Buffer>;
}

/** Why the conditions of a request do not hold; undefined when they do, or when the server ignores them. */
export function refused412(
  call: S3Call,
  objects: S3Bucket,
  what: "put" | "other",
): S3Answer | undefined {
  const { ignoresConditions, conditionsOnlyOnPut, unquotedIfMatch, missingIsRefused } = call.quirks;
  if (ignoresConditions === true) return undefined;
  if (what === "other" && conditionsOnlyOnPut === true) return undefined;
  const ifMatch = call.headers["if-match"];
  const ifNoneMatch = call.headers["if-none-match"];
  const isQuoted = ifMatch?.startsWith('"') === true && unquotedIfMatch === true;
  if (isQuoted) return failure(call, 412, "PreconditionFailed");
  const found = refusal(objects.get(call.key), { ifMatch, ifNoneMatch });
  if (found === undefined) return undefined;
  if (missingIsRefused === true) return failure(call, 412, "PreconditionFailed");
  return failure(call, found.status, found.code);
}

/** The headers that the object of a request keeps. */
export function kept(call: S3Call): Record<string, string> {
  const headers = keptHeaders(call.headers);
  if (call.quirks.noChecksums === true) delete headers["x-amz-checksum-sha256"];
  return headers;
}

/** An error as S3 answers it. */
export function failure(call: S3Request, status: number, code: string): S3Answer {
  return { status, body: errorXml(code, `/${call.bucket}/${call.key}`) };
}
