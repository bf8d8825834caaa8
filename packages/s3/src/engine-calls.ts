import type { BucketSettings } from "./bucket-options.ts";
import type { WriteCondition } from "./bucket.ts";
import type { Calls, DigestedUpload } from "./calls.ts";
import { EMPTY_SHA256, type Engine } from "./engine.ts";
import { isKept } from "./object-headers.ts";
import { copySource } from "./sdk-calls.ts";
import { storedNames } from "./settings-kept.ts";

/** Sends the requests that there are many of by the engine: the same requests for a fifth of the work. */
export function engineCalls(engine: Engine, settings: BucketSettings): Calls {
  const { bucket, expectedBucketOwner, storedWith } = settings;
  const owned: Record<string, string> =
    expectedBucketOwner === undefined ? {} : { "x-amz-expected-bucket-owner": expectedBucketOwner };
  const nothing = { headers: owned, sha256: EMPTY_SHA256 };
  return {
    async head(key, signal) {
      const { headers } = await engine.send({ method: "HEAD", key, ...nothing }, signal);
      const kept = Object.entries(headers).filter(([name]) => isKept(name));
      const stored = Object.entries(headers).filter(([name]) => storedNames.includes(name));
      return {
        etag: headers["etag"] ?? "",
        size: Number(headers["content-length"] ?? 0),
        headers: Object.fromEntries(kept),
        stored: Object.fromEntries(stored),
      };
    },

    async put(upload, signal) {
      const { key, body, sha256 } = upload;
      const headers = { ...uploadHeaders(upload), ...storedWith, ...owned };
      const request = { method: "PUT", key, operation: "PutObject", headers } as const;
      const answer = await engine.send({ ...request, body, sha256 }, signal);
      return { etag: answer.headers["etag"] ?? "" };
    },

    async copy({ from, fromEtag, to: key, headers, ...condition }, signal) {
      const source = {
        "x-amz-copy-source": copySource(bucket, from),
        ...(fromEtag === undefined ? {} : { "x-amz-copy-source-if-match": fromEtag }),
        "x-amz-metadata-directive": "REPLACE",
      };
      const sent = { ...headers, ...conditionHeaders(condition), ...source };
      const request = {
        method: "PUT",
        key,
        operation: "CopyObject",
        headers: { ...sent, ...storedWith, ...owned },
      } as const;
      await engine.send({ ...request, sha256: EMPTY_SHA256 }, signal);
    },

    async remove(key, { etag }, signal) {
      const headers = { ...owned, ...(etag === undefined ? {} : { "if-match": etag }) };
      const request = { method: "DELETE", key, operation: "DeleteObject", headers } as const;
      await engine.send({ ...request, sha256: EMPTY_SHA256 }, signal);
    },
  };
}

function uploadHeaders({ headers, ...condition }: DigestedUpload): Record<string, string> {
  return {
    "content-type": "application/octet-stream", // what the SDK says of bytes that nobody gave a type
    ...headers,
    ...conditionHeaders(condition),
  };
}

function conditionHeaders({ absent, etag }: WriteCondition): Record<string, string> {
  return {
    ...(absent === true ? { "if-none-match": "*" } : {}),
    ...(etag === undefined ? {} : { "if-match": etag }),
  };
}
