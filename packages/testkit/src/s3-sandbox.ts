import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { answer } from "./s3-answers.ts";
import {
  failure,
  type S3Access,
  type S3Answer,
  type S3Call,
  type S3Quirks,
  type S3Request,
  type S3Upload,
} from "./s3-call.ts";
import type { S3Bucket } from "./s3-objects.ts";
import { type S3Credentials, signatureProblem } from "./s3-signature.ts";

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
  /** What the settings of every bucket say of who may use it. */
  readonly access?: S3Access;
  /** Asked once for every request, in the order in which they come. */
  readonly fault?: (request: S3Request) => S3Fault | undefined;
}

/** A small S3 server of this process, on a free port of 127.0.0.1; a bucket is in the path, or before the host. */
export interface SandboxS3 extends AsyncDisposable {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: S3Credentials;
  /** What each bucket holds. */
  readonly buckets: ReadonlyMap<string, S3Bucket>;
  /** Every request so far, refused ones too. */
  readonly requests: readonly S3Request[];
}

/** Starts a sandbox S3 server; it forgets everything when it is disposed. */
export async function startSandboxS3({
  buckets: names,
  quirks = {},
  access = {},
  fault = () => undefined,
}: SandboxS3Options): Promise<SandboxS3> {
  const credentials = { accessKeyId: "SANDBOXKEY", secretAccessKey: "sandbox-secret-key" };
  const buckets = new Map(names.map((name): [string, S3Bucket] => [name, new Map()]));
  const requests: S3Request[] = [];
  const uploads = new Map<string, S3Upload>();
  const server = createServer((message, response) => {
    const serve = async (): Promise<void> => {
      const call = await receive(message, { buckets, quirks, access, uploads });
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
  world: Pick<S3Call, "buckets" | "quirks" | "access" | "uploads">,
): Promise<S3Call> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  const [path = "", query = ""] = (message.url ?? "").split("?", 2);
  const { bucket, key } = placeOf(path, message.headers.host ?? "", world.buckets);
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

/** The bucket is in the path, or the first part of the host. */
function placeOf(
  path: string,
  host: string,
  buckets: S3Call["buckets"],
): { readonly bucket: string; readonly key: string } {
  const [first = ""] = host.split(".");
  if (buckets.has(first)) return { bucket: first, key: path.slice(1) };
  const [, bucket = "", key = ""] = /^\/([^/]*)\/?(.*)$/.exec(path) ?? [];
  return { bucket, key };
}

function distrust(
  { method = "", url = "", headers }: IncomingMessage,
  call: S3Call,
  credentials: S3Credentials,
): S3Answer | undefined {
  const signed = { method, url, headers, body: call.body };
  const problem = signatureProblem(signed, credentials, call.nowMs);
  if (problem === undefined) return undefined;
  return failure(call, problem === "XAmzContentSHA256Mismatch" ? 400 : 403, problem);
}

function send(
  response: ServerResponse,
  call: S3Request,
  { status, headers, body }: S3Answer,
): void {
  const bytes = Buffer.from(body ?? "");
  const type = typeof body === "string" ? { "content-type": "application/xml" } : {};
  const length = status === 204 ? {} : { "content-length": String(bytes.byteLength) };
  response.writeHead(status, { ...type, ...headers, ...length });
  response.end(call.method === "HEAD" || status === 204 ? undefined : bytes);
}
