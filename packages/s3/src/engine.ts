import type { Readable } from "node:stream";
import type { S3Client } from "@aws-sdk/client-s3";
import type { SignatureV4 } from "@smithy/signature-v4";
import type { BucketSettings } from "./bucket-options.ts";
import { OneShotSha256 } from "./signing-hash.ts";

/** A request that many of are sent, in words of S3. */
export interface HotRequest {
  readonly method: "PUT" | "HEAD" | "DELETE";
  readonly key: string;
  /** Name of the operation, as the SDK sends it along. */
  readonly operation?: "PutObject" | "CopyObject" | "DeleteObject";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** SHA-256 of the body, 64 hex digits. */
  readonly sha256: string;
}

/** What was answered: anything from 200 to 299. */
export interface HotAnswer {
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** Sends requests by a shorter way than the SDK: its credentials, its connections, its signature, and no more. */
export interface Engine {
  send(request: HotRequest, signal?: AbortSignal): Promise<HotAnswer>;
}

/** Digest of no bytes. */
export const EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** What a signed request is made of. */
interface Wire {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query: Record<string, string>;
  readonly headers: Record<string, string>;
  readonly body?: Uint8Array;
}

/** What a handler of the SDK answers with. */
interface WireAnswer {
  readonly statusCode: number;
  readonly headers: Record<string, string>;
  readonly body?: Readable;
}

/** Longest part of an answer that is read, in bytes. */
const LONGEST_ANSWER = 64 * 1024;

/**
 * Makes an engine beside a client.
 *
 * @returns Undefined where the bucket needs another signature than version 4 with one region: then the SDK sends all.
 */
export function createEngine(client: S3Client, settings: BucketSettings): Engine | undefined {
  // directory buckets have sessions of their own
  if (settings.engine === "sdk" || settings.bucket.endsWith("--x-s3")) return undefined;
  const { config } = client;
  let way: Way | undefined;
  return {
    async send(request, signal) {
      // another one when the server said that the bucket is elsewhere
      if (way?.region !== config.region) way = await findWay(client, settings);
      const { base, signer } = way;
      const signingDate = new Date(Date.now() + config.systemClockOffset);
      const signed = (await signer.sign(wireOf(base, request) as never, { signingDate })) as never;
      const options = signal === undefined ? {} : { abortSignal: signal };
      const { response } = await config.requestHandler.handle(signed, options);
      const answer = response as unknown as WireAnswer;
      const text = await textOf(answer);
      const { statusCode, headers } = answer;
      // a copy that fails after its first byte was sent fails under status 200
      if (statusCode < 300 && !text.includes("<Error>")) return { headers, text };
      correctClock(config, text, headers);
      throw failure(answer, text);
    },
  };
}

/** Where requests go and how they are signed. */
interface Way {
  readonly base: URL;
  readonly region: S3Client["config"]["region"];
  readonly signer: SignatureV4;
}

async function findWay({ config }: S3Client, settings: BucketSettings): Promise<Way> {
  const { bucket, pathStyle, endpoint } = settings;
  const { SignatureV4: Signer } = await import("@smithy/signature-v4");
  const region = await config.region();
  const { url } = config.endpointProvider({
    Bucket: bucket,
    Region: region,
    UseFIPS: await config.useFipsEndpoint(),
    UseDualStack: await config.useDualstackEndpoint(),
    ForcePathStyle: pathStyle,
    Accelerate: false,
    UseGlobalEndpoint: false,
    DisableMultiRegionAccessPoints: true,
    DisableS3ExpressSessionAuth: true,
    ...(endpoint === undefined ? {} : { Endpoint: endpoint }),
  });
  const signer = new Signer({
    credentials: config.credentials,
    region,
    service: "s3",
    sha256: OneShotSha256,
    uriEscapePath: false, // paths of S3 are escaped once
    applyChecksum: false,
  });
  return { base: url, region: config.region, signer };
}

function wireOf(base: URL, { method, key, operation, headers, body, sha256 }: HotRequest): Wire {
  const path = base.pathname.replace(/\/$/, "");
  return {
    method,
    protocol: base.protocol,
    hostname: base.hostname,
    ...(base.port === "" ? {} : { port: Number(base.port) }),
    path: `${path}/${escapedKey(key)}`,
    query: operation === undefined ? {} : { "x-id": operation },
    headers: {
      host: base.host,
      "x-amz-content-sha256": sha256,
      ...(body === undefined ? {} : { "content-length": String(body.byteLength) }),
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
  };
}

/** A key as it stands in a path. */
export function escapedKey(key: string): string {
  return key.split("/").map(escapedSegment).join("/");
}

/** @see RFC 3986, section 2.3 */
function escapedSegment(segment: string): string {
  return encodeURIComponent(segment).replaceAll(
    /[!'()*]/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** Read to its end, or the connection could not be used again. */
function textOf({ body }: WireAnswer): Promise<string> {
  if (body === undefined) return Promise.resolve("");
  const chunks: Uint8Array[] = [];
  let length = 0;
  // an iterator costs more than all the rest of a short answer
  return new Promise((resolve, reject) => {
    body.on("data", (chunk: Uint8Array) => {
      if (length < LONGEST_ANSWER) chunks.push(chunk);
      length += chunk.byteLength;
    });
    body.once("end", () => resolve(length === 0 ? "" : Buffer.concat(chunks).toString()));
    body.once("error", reject);
    body.once("close", () => {
      if (!body.readableEnded) reject(cutOff());
    });
  });
}

/** As Node says it of a connection that ended in the middle of an answer. */
function cutOff(): Error {
  return Object.assign(new Error("aborted"), { code: "ECONNRESET" });
}

function correctClock(
  config: S3Client["config"],
  text: string,
  headers: Readonly<Record<string, string>>,
): void {
  const date = Date.parse(headers["date"] ?? "");
  if (!text.includes("<Code>RequestTimeTooSkewed</Code>") || Number.isNaN(date)) return;
  config.systemClockOffset = date - Date.now();
}

/** In the form in which the SDK throws. */
function failure({ statusCode, headers }: WireAnswer, text: string): Error {
  const code = /<Code>([^<]*)<\/Code>/.exec(text)?.[1] ?? "";
  const message = /<Message>([^<]*)<\/Message>/.exec(text)?.[1] ?? "";
  return Object.assign(new Error(message), { code, $response: { statusCode, headers } });
}
