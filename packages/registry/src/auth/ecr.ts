import { createHash, createHmac, type Hash, type Hmac } from "node:crypto";
import type { TargetContext } from "@lockstep/plugin";
import { credentialsMissing, loginRefused } from "../errors.ts";
import { parseObject } from "../image/model.ts";
import { drop, readBody } from "../net/read.ts";
import type { Answer, Exchange } from "../net/transport.ts";
import { loadPeer } from "../peer.ts";
import type { Repository } from "../reference.ts";
import { type EcrAuth, type Found, mask } from "./credentials.ts";

/** Where the API of a registry is, and the region that requests to it are signed for. */
export interface EcrApi {
  readonly url: URL;
  readonly region: string;
}

interface AwsKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

const ACTIONS = "AmazonEC2ContainerRegistry_V20150921";
/** Most bytes of an answer; a token has about 3 KiB. */
const ANSWER_BYTES = 64 * 1024;

/**
 * Finds the API behind the name of a registry, `<account>.dkr.ecr.<region>.amazonaws.com`; undefined where the
 * name does not say and nobody wrote it.
 *
 * @see Amazon ECR, "Amazon ECR endpoints and quotas"
 */
export function ecrApi({ region, endpoint }: EcrAuth, host: string): EcrApi | undefined {
  const [, named, china = ""] =
    /^\d{12}\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?$/.exec(host) ?? [];
  const wanted = region ?? named;
  if (wanted === undefined) return undefined;
  const written = endpoint ?? (named === undefined ? undefined : urlOf(wanted, china));
  const url = written === undefined ? null : URL.parse(written);
  return url === null ? undefined : { url, region: wanted };
}

function urlOf(region: string, suffix: string): string {
  return `https://api.ecr.${region}.amazonaws.com${suffix}/`;
}

/** What a login at ECR needs of its surroundings. */
export interface EcrLogin {
  readonly api: EcrApi;
  readonly repository: Repository;
  /** Sends a request; passing troubles are its business. */
  send(ctx: TargetContext, exchange: Omit<Exchange, "signal">): Promise<Answer>;
}

/**
 * Buys a password for the registry: one signed request. It lives for twelve hours.
 *
 * @throws {LockstepError} `REGISTRY_CREDENTIALS`, `REGISTRY_PEER`, `REGISTRY_LOGIN`
 * @see Amazon ECR API reference, "GetAuthorizationToken"
 */
export async function ecrCredentials(
  ctx: TargetContext,
  { api, repository, send }: EcrLogin,
): Promise<Found> {
  const { keys, origin } = await awsKeys(ctx);
  ctx.mask(keys.secretAccessKey);
  if (keys.sessionToken !== undefined) ctx.mask(keys.sessionToken);
  const ask = { action: "GetAuthorizationToken", input: {} };
  const answer = await send(ctx, await signed(ctx, { api, keys, ...ask }));
  if (answer.status !== 200) {
    await drop(answer);
    throw loginRefused(api.url, answer.status, origin);
  }
  const token = tokenIn(await readBody(answer, ANSWER_BYTES));
  const [username = "", password = ""] = Buffer.from(token, "base64").toString().split(":", 2);
  if (username === "" || password === "") throw loginRefused(api.url, 200, "its answer");
  mask(ctx, username, password);
  return {
    origin: `Amazon ECR for ${repository.host}, with ${origin}`,
    credentials: { kind: "password", username, password },
  };
}

/**
 * Whether a repository lets no tag move, as far as the account may know.
 *
 * @see Amazon ECR API reference, "DescribeRepositories", imageTagMutability
 */
export async function ecrTagsStay(
  ctx: TargetContext,
  { api, repository, send }: EcrLogin,
): Promise<boolean> {
  const { keys } = await awsKeys(ctx);
  const ask = { action: "DescribeRepositories", input: { repositoryNames: [repository.path] } };
  const answer = await send(ctx, await signed(ctx, { api, keys, ...ask }));
  const body = parseObject(await readBody(answer, ANSWER_BYTES));
  const all = answer.status === 200 ? body?.["repositories"] : undefined;
  const [first] = Array.isArray(all) ? (all as unknown[]) : [];
  return (
    (first as { imageTagMutability?: unknown } | undefined)?.imageTagMutability === "IMMUTABLE"
  );
}

async function awsKeys({
  env,
}: TargetContext): Promise<{ readonly keys: AwsKeys; readonly origin: string }> {
  const accessKeyId = env["AWS_ACCESS_KEY_ID"];
  const secretAccessKey = env["AWS_SECRET_ACCESS_KEY"];
  const sessionToken = env["AWS_SESSION_TOKEN"];
  if (accessKeyId && secretAccessKey) {
    const session = sessionToken ? { sessionToken } : {};
    return { keys: { accessKeyId, secretAccessKey, ...session }, origin: "AWS_ACCESS_KEY_ID" };
  }
  const { defaultProvider } = await loadPeer(
    {
      name: "@aws-sdk/credential-provider-node",
      purpose: "AWS credentials that are not in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    },
    () => import("@aws-sdk/credential-provider-node"),
  );
  try {
    return { keys: await defaultProvider()(), origin: "the AWS SDK" };
  } catch (error) {
    throw credentialsMissing("AWS", error);
  }
}

/** One action of the API. */
interface Asked {
  readonly api: EcrApi;
  readonly keys: AwsKeys;
  readonly action: string;
  readonly input: object;
}

/** @see AWS Signature Version 4, "Create a signed AWS API request" */
async function signed(
  ctx: TargetContext,
  { api: { url, region }, keys: credentials, action, input }: Asked,
): Promise<Omit<Exchange, "signal">> {
  const { SignatureV4 } = await import("@smithy/signature-v4");
  const body = Buffer.from(JSON.stringify(input));
  const signer = new SignatureV4({ credentials, region, service: "ecr", sha256: Sha256 });
  const { headers } = await signer.sign(
    {
      method: "POST",
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      query: {},
      headers: {
        host: url.host,
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": `${ACTIONS}.${action}`,
      },
      body,
    },
    { signingDate: new Date(ctx.now()) },
  );
  return {
    method: "POST",
    url,
    headers,
    body: {
      size: body.length,
      async *open() {
        yield body;
      },
    },
  };
}

function tokenIn(body: Buffer): string {
  const data = parseObject(body)?.["authorizationData"];
  const [first] = Array.isArray(data) ? (data as unknown[]) : [];
  const token = (first as { readonly authorizationToken?: unknown } | undefined)
    ?.authorizationToken;
  return typeof token === "string" ? token : "";
}

/** SHA-256, keyed or not, as the signer wants it. */
class Sha256 {
  readonly #secret: Uint8Array | undefined;
  #hash: Hash | Hmac;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#secret = secret === undefined ? undefined : bytesOf(secret);
    this.#hash = this.#begin();
  }

  #begin(): Hash | Hmac {
    return this.#secret === undefined ? createHash("sha256") : createHmac("sha256", this.#secret);
  }

  update(chunk: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytesOf(chunk));
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  reset(): void {
    this.#hash = this.#begin();
  }
}

function bytesOf(value: string | ArrayBuffer | ArrayBufferView): Uint8Array {
  if (typeof value === "string") return Buffer.from(value);
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}
