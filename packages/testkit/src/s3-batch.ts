import { type S3Answer, type S3Call, failure } from "./s3-call.ts";
import type { S3Bucket } from "./s3-objects.ts";
import { removedXml, textsOf } from "./s3-xml.ts";

/** Most keys of one request. */
const MOST = 1000;

/**
 * Removes many objects with one request.
 *
 * @see Amazon S3 API Reference, "DeleteObjects"
 */
export function removeMany(call: S3Call, objects: S3Bucket): S3Answer {
  const body = call.body.toString();
  const keys = textsOf(body, "Key");
  if (keys.length === 0 || keys.length > MOST) return failure(call, 400, "MalformedXML");
  for (const key of keys) objects.delete(key);
  const isQuiet = textsOf(body, "Quiet")[0] === "true";
  return { status: 200, body: removedXml(isQuiet ? [] : keys) };
}
