import { hash } from "node:crypto";
import { openClient, type BucketSurroundings } from "../aws-client.ts";
import { answerUnexpected, distributionMissing } from "../errors.ts";
import { failureOf } from "../failure.ts";
import { judge } from "../judge.ts";
import type { S3Settings } from "../options.ts";
import { createPace } from "../pace.ts";
import { patiently } from "../patience.ts";
import type { PurgeSettings } from "./options.ts";

/** What a distribution is to fetch anew. */
export interface Invalidation {
  /** A repeated one with the same name and paths is the same invalidation. */
  readonly name: string;
  /** As {@link invalidPaths} makes them. */
  readonly paths: readonly string[];
}

/**
 * Tells a distribution to forget paths; resolves when it has taken that down, which is some seconds before every
 * place has done it.
 *
 * @see Amazon CloudFront API Reference, "CreateInvalidation"
 * @throws {LockstepError} `S3_DENIED`, `S3_DISTRIBUTION` and what a bucket raises
 */
export async function invalidate(
  settings: S3Settings,
  invalidation: Invalidation,
  ctx: BucketSurroundings & { readonly signal: AbortSignal },
): Promise<void> {
  const purge = settings.cloudfront?.purge;
  if (purge === undefined || invalidation.paths.length === 0) return;
  const { limits } = settings;
  const { client } = await openClient(settings.bucket, ctx, limits);
  try {
    const { config } = client;
    const { SignatureV4: Signer } = await import("@smithy/signature-v4");
    const signer = new Signer({
      credentials: config.credentials,
      region: "us-east-1", // the service is in one place
      service: "cloudfront",
      sha256: config.sha256,
    });
    const post = async (abortSignal: AbortSignal): Promise<void> => {
      const signed = await signer.sign(requestOf(purge, invalidation) as never);
      const { response } = await config.requestHandler.handle(signed, { abortSignal });
      await refuseFailed(response);
    };
    const what = `INVALIDATE ${purge.distribution}`;
    const pace = createPace({ most: 1 });
    const { tries, backoffMs, deadlineMs } = limits;
    const patience = { pace, tries, backoffMs, deadlineMs, random: ctx.random };
    const judged = (error: unknown): ReturnType<typeof judge> => judgeOf(what, purge, error);
    await patiently(patience, { what, send: post, judge: judged }, ctx.signal);
  } finally {
    client.destroy();
  }
}

interface Answer {
  readonly statusCode: number;
  readonly body?: AsyncIterable<Uint8Array>;
}

function requestOf(
  { distribution, endpoint }: PurgeSettings,
  { name, paths }: Invalidation,
): object {
  const url = new URL(endpoint ?? "https://cloudfront.amazonaws.com");
  const items = paths.map((path) => `<Path>${escapedXml(path)}</Path>`).join("");
  const body = `<?xml version="1.0" encoding="UTF-8"?><InvalidationBatch xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><Paths><Quantity>${paths.length}</Quantity><Items>${items}</Items></Paths><CallerReference>${name}</CallerReference></InvalidationBatch>`;
  return {
    method: "POST",
    protocol: url.protocol,
    hostname: url.hostname,
    ...(url.port === "" ? {} : { port: Number(url.port) }),
    path: `/2020-05-31/distribution/${distribution}/invalidation`,
    query: {},
    headers: {
      host: url.host,
      "content-type": "application/xml",
      "content-length": String(Buffer.byteLength(body)),
      "x-amz-content-sha256": hash("sha256", body, "hex"),
    },
    body,
  };
}

async function refuseFailed({ statusCode, body }: Answer): Promise<void> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body ?? []) chunks.push(chunk);
  if (statusCode < 300) return;
  const text = Buffer.concat(chunks).toString();
  const code = /<Code>([^<]*)<\/Code>/.exec(text)?.[1] ?? "";
  const message = /<Message>([^<]*)<\/Message>/.exec(text)?.[1] ?? "";
  throw Object.assign(new Error(message), { code, $metadata: { httpStatusCode: statusCode } });
}

function judgeOf(
  what: string,
  { distribution }: PurgeSettings,
  error: unknown,
): ReturnType<typeof judge> {
  const { status, code, message } = failureOf(error);
  if (code === "TooManyInvalidationsInProgress") return { kind: "throttled" };
  if (code === "NoSuchDistribution" || status === 404) {
    return { kind: "final", error: distributionMissing(distribution) };
  }
  if (code === "InvalidArgument") {
    return { kind: "final", error: answerUnexpected(what, `with ${code}: ${message}`) };
  }
  return judge(what, distribution, error);
}

function escapedXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
