import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { CloudFrontKeyValueStoreClient } from "@aws-sdk/client-cloudfront-keyvaluestore";
import { accountOf, type BucketSurroundings } from "../aws-client.ts";
import type { CallOptions } from "../bucket.ts";
import { routesUnfit, valuesUnfit } from "../errors.ts";
import { failureOf } from "../failure.ts";
import { judge } from "../judge.ts";
import type { S3Settings } from "../options.ts";
import { createPace } from "../pace.ts";
import { patiently, type Patience } from "../patience.ts";
import type { KeyValues } from "./key-values.ts";
import type { RouterSettings } from "./options.ts";

type Sdk = typeof import("@aws-sdk/client-cloudfront-keyvaluestore");

/** What the calls of one store share. */
interface Access {
  readonly sdk: Sdk;
  readonly client: CloudFrontKeyValueStoreClient;
  readonly arn: string;
  readonly name: string;
  readonly patience: Patience;
}

/** Most requests under way: the store takes few. */
const IN_FLIGHT = 8;

/** Opens a key value store through the SDK, which is loaded here and not before. Opens no socket. */
export async function openKeyValues(
  settings: S3Settings,
  router: RouterSettings,
  surroundings: BucketSurroundings,
): Promise<KeyValues> {
  const sdk = await import("@aws-sdk/client-cloudfront-keyvaluestore");
  const { NodeHttpHandler } = await import("@smithy/node-http-handler");
  // the store knows no other signature, and the client finds this one only when it was loaded
  await import("@aws-sdk/signature-v4a");
  const { tries, backoffMs, deadlineMs, timeoutMs } = settings.limits;
  const client = new sdk.CloudFrontKeyValueStoreClient({
    ...(await accountOf(settings.bucket, surroundings)),
    region: "us-east-1",
    maxAttempts: 1, // `patiently` repeats
    requestHandler: new NodeHttpHandler({
      connectionTimeout: 5_000,
      requestTimeout: timeoutMs,
      throwOnRequestTimeout: true,
      httpAgent: new HttpAgent({ keepAlive: true, maxSockets: IN_FLIGHT }),
      httpsAgent: new HttpsAgent({ keepAlive: true, maxSockets: IN_FLIGHT }),
    }),
  });
  if (router.endpoint !== undefined) redirectTo(client, new URL(router.endpoint));
  const pace = createPace({ most: IN_FLIGHT });
  const patience = { pace, tries, backoffMs, deadlineMs, random: surroundings.random };
  const name = `kvs://${router.keyValueStore.replace(/^.*\//, "")}`;
  return keyValuesOf({ sdk, client, arn: router.keyValueStore, name, patience });
}

/** The client puts the account before any host that it is given, which only names of Amazon's bear. */
function redirectTo(client: CloudFrontKeyValueStoreClient, url: URL): void {
  const { protocol, hostname, port } = url;
  client.middlewareStack.add(
    (next) => async (args) => {
      const request = args.request as { headers: Record<string, string> };
      Object.assign(request, { protocol, hostname, port: Number(port) || undefined });
      request.headers["host"] = url.host;
      return next(args);
    },
    { step: "build", name: "lockstepEndpoint", priority: "low" },
  );
}

function keyValuesOf(access: Access): KeyValues {
  const { sdk, client, arn: KvsARN, name } = access;
  return {
    name,

    async describe(options) {
      const command = new sdk.DescribeKeyValueStoreCommand({ KvsARN });
      const found = await send(access, { what: "DESCRIBE", ...options }, (call) =>
        client.send(command, call),
      );
      if (typeof found === "string") throw valuesUnfit(name, "does not exist");
      const { ETag = "", TotalSizeInBytes = 0, Status = "READY" } = found;
      if (Status !== "READY") throw valuesUnfit(name, `is not ready: ${Status}`);
      return { etag: ETag, bytes: TotalSizeInBytes };
    },

    async get(key, options) {
      const command = new sdk.GetKeyCommand({ KvsARN, Key: key });
      const found = await send(access, { what: `GET ${key}`, ...options }, (call) =>
        client.send(command, call),
      );
      return typeof found === "string" ? undefined : found.Value;
    },

    list: (options) => list(access, options),

    async update({ etag, puts, deletes }, options) {
      const command = new sdk.UpdateKeysCommand({
        KvsARN,
        IfMatch: etag,
        Puts: puts.map(([Key, Value]) => ({ Key, Value })),
        Deletes: deletes.map((Key) => ({ Key })),
      });
      const written = await send(access, { what: "UPDATE", ...options }, (call) =>
        client.send(command, call),
      );
      if (written === "missing") throw valuesUnfit(name, "does not exist");
      return written === "moved" ? written : { etag: written.ETag ?? "" };
    },

    async [Symbol.asyncDispose]() {
      client.destroy();
    },
  };
}

async function* list(access: Access, options?: CallOptions): AsyncGenerator<string> {
  const { sdk, client, arn: KvsARN, name } = access;
  for (let token: string | undefined; ;) {
    const page = { KvsARN, MaxResults: 50, ...(token === undefined ? {} : { NextToken: token }) };
    const command = new sdk.ListKeysCommand(page);
    const about = { what: "LIST", ...options };
    const found = await send(access, about, (call) => client.send(command, call));
    if (typeof found === "string") throw valuesUnfit(name, "does not exist");
    for (const { Key } of found.Items ?? []) if (Key !== undefined) yield Key;
    token = found.NextToken;
    if (token === undefined || token === "") return;
  }
}

/** Sends one request, again after passing trouble; `missing` and `moved` are answers. */
async function send<T>(
  { name, patience }: Access,
  { what, signal }: CallOptions & { readonly what: string },
  call: (options: { readonly abortSignal: AbortSignal }) => Promise<T>,
): Promise<T | "missing" | "moved"> {
  const answered = async (abortSignal: AbortSignal): Promise<T | "missing" | "moved"> => {
    try {
      return await call({ abortSignal });
    } catch (error) {
      const { status, code, message } = failureOf(error);
      if (status === 404) return "missing";
      if (isMoved(status, `${code} ${message}`)) return "moved";
      if (status === 402) throw routesUnfit(`${name} is full`);
      throw error;
    }
  };
  const request = `${what} ${name}`;
  const judged = (error: unknown): ReturnType<typeof judge> => judge(request, name, error);
  return patiently(patience, { what: request, send: answered, judge: judged }, signal);
}

/** The service does not say which of its errors means a tag that is out of date: more than one does. */
function isMoved(status: number | undefined, text: string): boolean {
  if (status === 409 || status === 412) return true;
  return status === 400 && /pre-?condition|if-?match|etag/i.test(text);
}
