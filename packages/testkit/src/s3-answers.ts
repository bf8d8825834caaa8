import { createHash } from "node:crypto";
import { onAccess } from "./s3-access.ts";
import { removeMany } from "./s3-batch.ts";
import { failure, kept, refused412, type S3Answer, type S3Call } from "./s3-call.ts";
import { multipart } from "./s3-multipart.ts";
import { refusal, S3_ACCOUNT, type S3Bucket, type S3Object, s3Object } from "./s3-objects.ts";
import { copyXml, listXml } from "./s3-xml.ts";

/** Does what a trusted request asks. */
export function answer(call: S3Call): S3Answer {
  const objects = call.buckets.get(call.bucket);
  if (objects === undefined) return failure(call, 404, "NoSuchBucket");
  const owner = call.headers["x-amz-expected-bucket-owner"];
  if (owner !== undefined && owner !== S3_ACCOUNT) return failure(call, 403, "AccessDenied");
  if (call.key === "") return onBucket(call, objects);
  const part = multipart(call, objects);
  if (part !== undefined) return part;
  if (call.method === "PUT") return put(call, objects);
  if (call.method === "DELETE") return remove(call, objects);
  if (call.method === "GET" || call.method === "HEAD") return read(call, objects);
  return failure(call, 501, "NotImplemented");
}

function onBucket(call: S3Call, objects: S3Bucket): S3Answer {
  if (call.method === "HEAD") return { status: 200 };
  if (call.method === "POST" && call.query.has("delete")) return removeMany(call, objects);
  const access = onAccess(call);
  if (access !== undefined) return access;
  const isList = call.method === "GET" && call.query.get("list-type") === "2";
  if (!isList) return failure(call, 501, "NotImplemented");
  return {
    status: 200,
    body: listXml(objects, {
      bucket: call.bucket,
      prefix: call.query.get("prefix") ?? "",
      after: Buffer.from(call.query.get("continuation-token") ?? "", "base64url").toString(),
      isEncoded: call.query.get("encoding-type") === "url",
      maxKeys: Number(call.query.get("max-keys") ?? 1000),
    }),
  };
}

function put(call: S3Call, objects: S3Bucket): S3Answer {
  if ([...call.query.keys()].some((name) => name !== "x-id"))
    return failure(call, 501, "NotImplemented");
  const isCopy = call.headers["x-amz-copy-source"] !== undefined;
  const refused = refused412(call, objects, isCopy ? "other" : "put");
  if (refused !== undefined) return refused;
  if (isCopy) return copy(call, objects);

  const checksum = call.headers["x-amz-checksum-sha256"];
  const isWrong =
    checksum !== undefined && checksum !== createHash("sha256").update(call.body).digest("base64");
  if (isWrong && call.quirks.noChecksums !== true) return failure(call, 400, "BadDigest");
  const object = s3Object(call.body, kept(call), call.nowMs);
  objects.set(call.key, object);
  return { status: 200, headers: { etag: object.etag } };
}

function copy(call: S3Call, objects: S3Bucket): S3Answer {
  const source = decodeURIComponent(call.headers["x-amz-copy-source"] ?? "").replace(/^\//, "");
  const cut = source.indexOf("/");
  const found = call.buckets.get(source.slice(0, cut))?.get(source.slice(cut + 1));
  if (found === undefined) return failure(call, 404, "NoSuchKey");
  const wanted = { ifMatch: call.headers["x-amz-copy-source-if-match"] };
  const isObeyed =
    call.quirks.conditionsOnlyOnPut !== true && call.quirks.ignoresConditions !== true;
  const stale = isObeyed ? refusal(found, wanted) : undefined;
  if (stale !== undefined) return failure(call, stale.status, stale.code);
  const isReplaced = call.headers["x-amz-metadata-directive"] === "REPLACE";
  const { "x-amz-website-redirect-location": redirect, ...others } = found.headers;
  // Amazon never copies the redirect location: it is set anew or lost.
  const isLost = call.quirks.copiesRedirects !== true || redirect === undefined;
  const headers = isLost ? others : found.headers;
  const object = s3Object(
    found.body,
    { ...(isReplaced ? unstored(kept(call)) : unstored(headers)), ...storedAs(call, found) },
    call.nowMs,
  );
  objects.set(call.key, object);
  return { status: 200, body: copyXml(object.etag, object.modifiedMs) };
}

const STORED = /^x-amz-(?:server-side-encryption|storage-class|tagging)/;

function unstored(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !STORED.test(name)));
}

/** How a copy is stored: as the request says; its tags are those of the source, unless it brings others. */
function storedAs(call: S3Call, from: S3Object): Record<string, string> {
  const said = Object.entries(kept(call)).filter(([name]) => STORED.test(name));
  const { "x-amz-tagging": tags, ...others } = Object.fromEntries(said);
  const isReplaced = call.headers["x-amz-tagging-directive"] === "REPLACE";
  const text = isReplaced ? tags : from.headers["x-amz-tagging"];
  return { ...others, ...(text === undefined ? {} : { "x-amz-tagging": text }) };
}

function remove(call: S3Call, objects: S3Bucket): S3Answer {
  const refused = refused412(call, objects, "other");
  if (refused !== undefined) return refused;
  objects.delete(call.key);
  return { status: 204 };
}

function read(call: S3Call, objects: S3Bucket): S3Answer {
  const found = objects.get(call.key);
  if (found === undefined) return failure(call, 404, "NoSuchKey");
  const modified = new Date(found.modifiedMs).toUTCString();
  const { "x-amz-tagging": tags, "x-amz-storage-class": storage, ...others } = found.headers;
  const headers = {
    ...others,
    ...(tags === undefined ? {} : { "x-amz-tagging-count": `${tags.split("&").length}` }),
    // of the usual class nothing is said
    ...(storage === undefined || storage === "STANDARD" ? {} : { "x-amz-storage-class": storage }),
    etag: found.etag,
    "last-modified": modified,
  };
  return { status: 200, headers, body: found.body };
}
