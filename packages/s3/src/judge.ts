import { areEnded } from "./credentials.ts";
import {
  answerUnexpected,
  bucketMissing,
  credentialsMissing,
  credentialsRefused,
  denied,
} from "./errors.ts";
import { type Failure, failureOf } from "./failure.ts";
import type { Trouble } from "./patience.ts";

const THROTTLED =
  /^(?:SlowDown|Throttling.*|RequestLimitExceeded|TooManyRequests.*|ServiceUnavailable)$/;
const UNKNOWN = /^(?:InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|InvalidClientTokenId)$/;
const REPEATED = new Set([408, 409, 425, 500, 502, 504]);

/**
 * Sorts failures into those that pass and those that stay.
 *
 * @see Amazon S3 API Reference, "Error responses"
 */
export function judge(what: string, bucket: string, error: unknown): Trouble {
  const { status, code, message } = failureOf(error);
  if (THROTTLED.test(code) || status === 429 || status === 503) return { kind: "throttled" };
  // both are corrected by the answer; a second time nothing is
  if (code === "RequestTimeTooSkewed") return { kind: "clock" };
  if (code === "PermanentRedirect" || code === "AuthorizationHeaderMalformed") {
    return { kind: "region" };
  }
  if (areEnded(code)) return { kind: "expired", error: credentialsRefused(what, code) };
  if (code === "CredentialsProviderError" || code === "TokenProviderError") {
    return { kind: "final", error: credentialsMissing(bucket, error) };
  }
  if (status === undefined) {
    return { kind: "transient", reason: `${code || message}${hostIn(error)}`, cause: error };
  }
  // an XAmzContentSHA256Mismatch or BadDigest says that bytes were hurt on the way; a copy fails under status 200
  const isHurt =
    /^(?:XAmzContentSHA256Mismatch|BadDigest|IncompleteBody|RequestTimeout|InternalError)$/.test(
      code,
    );
  if (isHurt || REPEATED.has(status)) return { kind: "transient", reason: `${status} ${code}` };
  return { kind: "final", error: finalError(what, bucket, { status, code, message }) };
}

/** The host that has no address: not always that of the bucket, when credentials are fetched. */
function hostIn(error: unknown): string {
  const { hostname } = error as { readonly hostname?: unknown };
  return typeof hostname === "string" ? ` ${hostname}` : "";
}

function finalError(what: string, bucket: string, { status, code, message }: Failure): unknown {
  if (code === "NoSuchBucket") return bucketMissing(bucket);
  if (UNKNOWN.test(code)) return credentialsRefused(what, code);
  if (status === 403 || status === 401) return denied(what);
  return answerUnexpected(what, `${String(status)} ${code}: ${message}`);
}
