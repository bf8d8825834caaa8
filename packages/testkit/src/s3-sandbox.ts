import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { keptHeaders, refusal, type S3Bucket, s3Object } from "./s3-objects.ts";
import { type S3Credentials, signatureProblem } from "./s3-signature.ts";
import { copyXml, errorXml, listXml } from "./s3-xml.ts";

/** How a sandbox S3 server differs from one that does everything right. */
export interface S3Quirks {
  /** Accepts conditions of writes and ignores them. */
  readonly ignoresConditions?: boolean;
  /** Knows the ETag of `If-Match` only without its quotes. */
  readonly unquotedIfMatch?: boolean;
  /** Neither verifies nor keeps `x-amz-checksum-sha256`. */
  readonly noChecksums?: boolean;
  /** How far, in milliseconds, its clock is ahead. */
  readonly clockSkewMs?: number;
}

/** One request that the server got. */
export interface S3Request {
  readonly method: string;
  readonly bucket: string;
  /** Decoded; empty for the bucket itself. */
  readonly key: string;
}

/**
 * What befalls one request: `slow-down` refuses it with 503 and writes nothing, `lost-reply` does
 * what was asked and cuts the connection in place of an answer.
 */
export type S3Fault = "slow-down" | "lost-reply";

/** How a sandbox S3 server is started. */
export interface SandboxS3Options {
  /** Buckets that exist from the start. */
  readonly buckets: readonly string[];
  readonly quirks?: S3Quirks;
  /** Asked once for every request, in the order in which they come. */
  readonly fault?: (request: S3Request) => S3Fault | undefined;
}

/** A small S3 server of this process, path style, on a free port of 127.0.0.1. */
export interface SandboxS3 extends AsyncDisposable {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: S3Credentials;
  /** What each bucket holds. */
  readonly buckets: ReadonlyMap<string, S3Bucket>;
  /** Every request so far, refused ones too. */
  readonly requests: readonly S3Request[];
}

interface Call extends S3Request {
  readonly headers: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: Buffer;
  readonly nowMs: number;
  readonly quirks: S3Quirks;
  readonly buckets: ReadonlyMap<string, S3Bucket>;
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

/** Starts a sandbox S3 server; it forgets everything when it is disposed. */
export async function startSandboxS3({
  buckets: names,
  quirks = {},
  fault = () => undefined,
}: SandboxS3Options): Promise<SandboxS3> {
  const credentials = { accessKeyId: "SANDBOXKEY", secretAccessKey: "sandbox-secret-key" };
  const buckets = new Map(names.map((name): [string, S3Bucket] => [name, new Map()]));
  const requests: S3Request[] = [];
  const server = createServer((message, response) => {
    const serve = async (): Promise<void> => {
      const call = await receive(message, { buckets, quirks });
      const request = { method: call.method, bucket: call.bucket, key: call.key };
      requests.push(request);
      const befallen = fault(request);
      if (befallen === "slow-down") return send(response, call, failure(call, 503, "SlowDown"));
      const given = distrust(message, call, credentials) ?? answer(call);
      if (befallen === "lost-reply") message.socket.destroy();
      else send(response, call, given);
    };
    // A client that goes away while it sends gets no answer, and leaves nothing behind.
    serve().catch(() => message.socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;

  return {
    endpoint: `http://127.0.0.1:${port}`,
    region: "us-east-1",
    credentials,
    buckets,
    requests,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

async function receive(
  message: IncomingMessage,
  world: Pick<Call, "buckets" | "quirks">,
): Promise<Call> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  const [path = "", query = ""] = (message.url ?? "").split("?", 2);
  const [, bucket = "", key = ""] = /^\/([^/]*)\/?(.*)$/.exec(path) ?? [];
  const headers = Object.entries(message.headers).map(([name, value]) => [name, String(value)]);
  return {
    ...world,
    method: message.method ?? "",
    bucket,
    key: decodeURIComponent(key),
    headers: Object.fromEntries(headers) as Record<string, string>,
    query: new URLSearchParams(query),
    body: Buffer.concat(chunks),
    nowMs: Date.now() + (world.quirks.clockSkewMs ?? 0),
  };
}

function distrust(
  { method = "", url = "", headers }: IncomingMessage,
  call: Call,
  credentials: S3Credentials,
): Answer | undefined {
  const signed = { method, url, headers, body: call.body };
  const problem = signatureProblem(signed, credentials, call.nowMs);
  if (problem === undefined) return undefined;
  return failure(call, problem === "XAmzContentSHA256Mismatch" ? 400 : 403, problem);
}

function answer(call: Call): Answer {
  const objects = call.buckets.get(call.bucket);
  if (objects === undefined) return failure(call, 404, "NoSuchBucket");
  if (call.key === "") return onBucket(call, objects);
  if (call.method === "PUT") return put(call, objects);
  if (call.method === "DELETE") return remove(call, objects);
  if (call.method === "GET" || call.method === "HEAD") return read(call, objects);
  return failure(call, 501, "NotImplemented");
}

function onBucket(call: Call, objects: S3Bucket): Answer {
  if (call.method === "HEAD") return { status: 200 };
  const isList = call.method === "GET" && call.query.get("list-type") === "2";
  if (!isList) return failure(call, 501, "NotImplemented");
  return {
    status: 200,
    body: listXml(objects, {
      bucket: call.bucket,
      prefix: call.query.get("prefix") ?? "",
      after: call.query.get("continuation-token") ?? "",
      maxKeys: Number(call.query.get("max-keys") ?? 1000),
    }),
  };
}

function put(call: Call, objects: S3Bucket): Answer {
  if ([...call.query.keys()].some((name) => name !== "x-id"))
    return failure(call, 501, "NotImplemented");
  const refused = refused412(call, objects);
  if (refused !== undefined) return refused;
  if (call.headers["x-amz-copy-source"] !== undefined) return copy(call, objects);

  const checksum = call.headers["x-amz-checksum-sha256"];
  const isWrong =
    checksum !== undefined && checksum !== createHash("sha256").update(call.body).digest("base64");
  if (isWrong && call.quirks.noChecksums !== true) return failure(call, 400, "BadDigest");
  const object = s3Object(call.body, kept(call), call.nowMs);
  objects.set(call.key, object);
  return { status: 200, headers: { etag: object.etag } };
}

function copy(call: Call, objects: S3Bucket): Answer {
  const source = decodeURIComponent(call.headers["x-amz-copy-source"] ?? "").replace(/^\//, "");
  const cut = source.indexOf("/");
  const found = call.buckets.get(source.slice(0, cut))?.get(source.slice(cut + 1));
  if (found === undefined) return failure(call, 404, "NoSuchKey");
  const isReplaced = call.headers["x-amz-metadata-directive"] === "REPLACE";
  // The redirect location is never copied: it is set anew or lost.
  const { "x-amz-website-redirect-location": _, ...headers } = found.headers;
  const object = s3Object(found.body, isReplaced ? kept(call) : headers, call.nowMs);
  objects.set(call.key, object);
  return { status: 200, body: copyXml(object.etag, object.modifiedMs) };
}

function remove(call: Call, objects: S3Bucket): Answer {
  const refused = refused412(call, objects);
  if (refused !== undefined) return refused;
  objects.delete(call.key);
  return { status: 204 };
}

function read(call: Call, objects: S3Bucket): Answer {
  const found = objects.get(call.key);
  if (found === undefined) return failure(call, 404, "NoSuchKey");
  const modified = new Date(found.modifiedMs).toUTCString();
  const headers = { ...found.headers, etag: found.etag, "last-modified": modified };
  return { status: 200, headers, body: found.body };
}

function refused412(call: Call, objects: S3Bucket): Answer | undefined {
  if (call.quirks.ignoresConditions === true) return undefined;
  const ifMatch = call.headers["if-match"];
  const ifNoneMatch = call.headers["if-none-match"];
  const isQuoted = ifMatch?.startsWith('"') === true && call.quirks.unquotedIfMatch === true;
  if (isQuoted) return failure(call, 412, "PreconditionFailed");
  const found = refusal(objects.get(call.key), { ifMatch, ifNoneMatch });
  return found === undefined ? undefined : failure(call, found.status, found.code);
}

function kept(call: Call): Record<string, string> {
  const headers = keptHeaders(call.headers);
  if (call.quirks.noChecksums === true) delete headers["x-amz-checksum-sha256"];
  return headers;
}

function failure(call: S3Request, status: number, code: string): Answer {
  return { status, body: errorXml(code, `/${call.bucket}/${call.key}`) };
}

function send(response: ServerResponse, call: S3Request, { status, headers, body }: Answer): void {
  const bytes = Buffer.from(body ?? "");
  const type = typeof body === "string" ? { "content-type": "application/xml" } : {};
  const length = status === 204 ? {} : { "content-length": String(bytes.byteLength) };
  response.writeHead(status, { ...type, ...headers, ...length });
  response.end(call.method === "HEAD" || status === 204 ? undefined : bytes);
}
