import { createHash, randomBytes } from "node:crypto";
import { failure, kept, refused412, type S3Answer, type S3Call, type S3Upload } from "./s3-call.ts";
import type { S3Bucket } from "./s3-objects.ts";
import { completedXml, startedXml, textsOf } from "./s3-xml.ts";

/** Least bytes of every part but the last. */
const LEAST = 5 << 20;

/** Most parts of an object. */
const MOST = 10_000;

/**
 * Answers requests about uploads in parts; undefined for all others.
 *
 * @see Amazon S3 User Guide, "Uploading and copying objects using multipart upload"
 */
export function multipart(call: S3Call, objects: S3Bucket): S3Answer | undefined {
  const { method, query } = call;
  if (method === "POST" && query.has("uploads")) return start(call);
  const id = query.get("uploadId");
  if (id === null) return undefined;
  const upload = call.uploads.get(id);
  const isOurs = upload?.bucket === call.bucket && upload.key === call.key;
  if (!isOurs) return failure(call, 404, "NoSuchUpload");
  if (method === "PUT") return putPart(call, upload);
  if (method === "POST") return complete(call, { id, upload, objects });
  if (method !== "DELETE") return failure(call, 501, "NotImplemented");
  call.uploads.delete(id);
  return { status: 204 };
}

function start(call: S3Call): S3Answer {
  const { bucket, key } = call;
  const id = randomBytes(12).toString("hex");
  call.uploads.set(id, { bucket, key, headers: kept(call), parts: new Map() });
  return { status: 200, body: startedXml({ bucket, key, id }) };
}

function putPart(call: S3Call, { parts }: S3Upload): S3Answer {
  const number = Number(call.query.get("partNumber"));
  const isNumber = Number.isInteger(number) && number >= 1 && number <= MOST;
  if (!isNumber) return failure(call, 400, "InvalidArgument");
  parts.set(number, call.body);
  return { status: 200, headers: { etag: `"${md5(call.body).toString("hex")}"` } };
}

interface Completion {
  readonly id: string;
  readonly upload: S3Upload;
  readonly objects: S3Bucket;
}

function complete(call: S3Call, { id, upload, objects }: Completion): S3Answer {
  const refused = refused412(call, objects, "other");
  if (refused !== undefined) return refused;
  const body = call.body.toString();
  const numbers = textsOf(body, "PartNumber").map(Number);
  const etags = textsOf(body, "ETag").map((etag) => etag.replaceAll('"', ""));
  const parts = numbers.map((number) => upload.parts.get(number) ?? Buffer.of());
  const digests = parts.map((part) => md5(part));
  const isWhole = numbers.every(
    (number, at) => upload.parts.has(number) && digests[at]?.toString("hex") === etags[at],
  );
  if (!isWhole || numbers.length === 0) return failure(call, 400, "InvalidPart");
  const isOrdered = numbers.every((number, at) => at === 0 || number > (numbers[at - 1] ?? 0));
  if (!isOrdered) return failure(call, 400, "InvalidPartOrder");
  const isSmall = parts.slice(0, -1).some((part) => part.byteLength < LEAST);
  if (isSmall) return failure(call, 400, "EntityTooSmall");

  const etag = `"${md5(Buffer.concat(digests)).toString("hex")}-${parts.length}"`;
  const { headers } = upload;
  objects.set(call.key, { body: Buffer.concat(parts), etag, headers, modifiedMs: call.nowMs });
  call.uploads.delete(id);
  return { status: 200, body: completedXml({ bucket: call.bucket, key: call.key, etag }) };
}

function md5(bytes: Uint8Array): Buffer {
  return createHash("md5").update(bytes).digest();
}
