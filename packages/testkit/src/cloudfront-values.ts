import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What befalls one request: as at the sandbox S3 server. */
export type KeyValueFault = "slow-down" | "lost-reply";

/** A request, as it came. */
export interface KeyValueRequest {
  readonly method: string;
  /** Of the request, decoded: `keys/site`. */
  readonly what: string;
}

/** The protocol of CloudFront's key value stores, as its reference says it; never compared with Amazon's server. */
export interface SandboxKeyValues extends AsyncDisposable {
  readonly endpoint: string;
  readonly port: number;
  readonly arn: string;
  readonly values: Map<string, string>;
  readonly requests: KeyValueRequest[];
  /** Asked once for every request. */
  fault: (request: KeyValueRequest) => KeyValueFault | undefined;
  /** Called before a write is judged: somebody else is quicker. */
  beforeWrite: () => void;
  /** Somebody else writes a key; null removes it. */
  edit(key: string, value: string | null): void;
}

/** Starts a key value store on a free port of 127.0.0.1. */
export async function startSandboxKeyValues(accessKeyId: string): Promise<SandboxKeyValues> {
  const arn =
    "arn:aws:cloudfront::123456789012:key-value-store/5a1c0d1e-0000-4000-8000-000000000001";
  const values = new Map<string, string>();
  const requests: KeyValueRequest[] = [];
  const state = { etag: randomBytes(8).toString("hex") };
  const listener = createServer((message, response) => {
    const serve = async (): Promise<void> => {
      const chunks: Buffer[] = [];
      for await (const chunk of message) chunks.push(chunk as Buffer);
      const [path = "", query = ""] = (message.url ?? "").split("?", 2);
      const [, store = "", rest = ""] = /^\/key-value-stores\/([^/]+)\/?(.*)$/.exec(path) ?? [];
      const request = { method: message.method ?? "", what: decodeURIComponent(rest) };
      requests.push(request);
      const befallen = server.fault(request);
      if (befallen === "slow-down") return answer(response, 503, { name: "ServiceUnavailable" });
      const problem = distrust(message, accessKeyId);
      const isThere = decodeURIComponent(store) === arn;
      const given = problem ?? (isThere ? serveOne() : missing());
      if (befallen === "lost-reply") message.socket.destroy();
      else answer(response, given.status, given);

      function serveOne(): Answer {
        const body = Buffer.concat(chunks).toString();
        if (request.method === "POST") {
          server.beforeWrite();
          return write(state, values, { body, ifMatch: message.headers["if-match"] });
        }
        return request.what.startsWith("keys")
          ? read(values, request.what.slice("keys/".length), new URLSearchParams(query))
          : { status: 200, etag: state.etag, body: described(values, arn) };
      }
    };
    serve().catch(() => message.socket.destroy());
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  const server: SandboxKeyValues = {
    endpoint: `http://127.0.0.1:${port}`,
    port,
    arn,
    values,
    requests,
    fault: () => undefined,
    beforeWrite: () => {},
    edit(key, value) {
      if (value === null) values.delete(key);
      else values.set(key, value);
      state.etag = randomBytes(8).toString("hex");
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      listener.closeAllConnections();
      await once(listener, "close");
    },
  };
  return server;
}

interface Answer {
  readonly status: number;
  readonly name?: string;
  readonly message?: string;
  readonly etag?: string;
  readonly body?: object;
}

function answer(
  response: ServerResponse,
  status: number,
  { name, message, etag, body }: Omit<Answer, "status">,
): void {
  response.writeHead(status, {
    "content-type": "application/json",
    ...(name === undefined ? {} : { "x-amzn-errortype": name }),
    ...(etag === undefined ? {} : { etag }),
  });
  response.end(JSON.stringify(body ?? { Message: message ?? name }));
}

function missing(): Answer {
  return { status: 404, name: "ResourceNotFoundException" };
}

/** The service takes signatures of version 4A for all regions, and no others. */
function distrust({ headers }: IncomingMessage, accessKeyId: string): Answer | undefined {
  const text = headers.authorization ?? "";
  const isRight =
    /^AWS4-ECDSA-P256-SHA256 Credential=([^/]+)\/\d{8}\/cloudfront-keyvaluestore\/aws4_request, *SignedHeaders=[^,]*x-amz-region-set[^,]*, *Signature=[0-9a-f]+$/.exec(
      text,
    )?.[1] === accessKeyId && headers["x-amz-region-set"] === "*";
  return isRight ? undefined : { status: 403, name: "AccessDeniedException" };
}

function described(values: ReadonlyMap<string, string>, arn: string): object {
  return { ...totals(values), KvsARN: arn, Created: 1_700_000_000, Status: "READY" };
}

function totals(values: ReadonlyMap<string, string>): object {
  const sizes = [...values].map(
    ([key, value]) => Buffer.byteLength(key) + Buffer.byteLength(value),
  );
  return { ItemCount: values.size, TotalSizeInBytes: sizes.reduce((sum, size) => sum + size, 0) };
}

function read(values: ReadonlyMap<string, string>, key: string, query: URLSearchParams): Answer {
  if (key === "") {
    const all = [...values].toSorted(([a], [b]) => (a < b ? -1 : 1));
    const from = Number(query.get("NextToken") ?? "0");
    const to = from + Math.min(50, Number(query.get("MaxResults") ?? "10"));
    const Items = all.slice(from, to).map(([Key, Value]) => ({ Key, Value }));
    const next = to < all.length ? { NextToken: String(to) } : {};
    return { status: 200, body: { Items, ...next } };
  }
  const Value = values.get(key);
  if (Value === undefined) return missing();
  return { status: 200, body: { Key: key, Value, ...totals(values) } };
}

/** All or nothing, within the quotas of the service. */
function write(
  state: { etag: string },
  values: Map<string, string>,
  { body, ifMatch }: { readonly body: string; readonly ifMatch: string | undefined },
): Answer {
  const invalid = (message: string): Answer => ({
    status: 400,
    name: "ValidationException",
    message,
  });
  if (ifMatch !== state.etag) return invalid("Pre-Condition failed");
  const { Puts = [], Deletes = [] } = JSON.parse(body) as {
    readonly Puts?: readonly { readonly Key: string; readonly Value: string }[];
    readonly Deletes?: readonly { readonly Key: string }[];
  };
  const keys = [...Puts, ...Deletes].map(({ Key }) => Key);
  if (keys.length > 50 || keys.length === 0) return invalid(`${keys.length} keys`);
  if (new Set(keys).size < keys.length) return invalid("a key twice");
  if (keys.some((key) => Buffer.byteLength(key) > 512)) return invalid("a key is too long");
  const isFit = ({ Value }: { readonly Value: string }): boolean =>
    Value !== "" && Buffer.byteLength(Value) <= 1024;
  if (!Puts.every(isFit)) return invalid("a value is empty or too long");
  if (!Deletes.every(({ Key }) => values.has(Key))) return missing();
  for (const { Key, Value } of Puts) values.set(Key, Value);
  for (const { Key } of Deletes) values.delete(Key);
  state.etag = randomBytes(8).toString("hex");
  return { status: 200, etag: state.etag, body: totals(values) };
}
