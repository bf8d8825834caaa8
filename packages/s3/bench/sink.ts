// A server that keeps what it is sent and answers each request after a delay; it checks no signature.
// node bench/sink.ts [milliseconds]: prints its port
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { argv, stdout } from "node:process";

const delayMs = Number(argv[2] ?? "0");

interface Kept {
  readonly etag: string;
  readonly size: number;
  readonly body: Buffer | undefined;
  readonly headers: Record<string, string>;
}

interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

const objects = new Map<string, Kept>();

const server = createServer((message, response) => {
  const chunks: Buffer[] = [];
  message.on("data", (chunk: Buffer) => chunks.push(chunk));
  message.on("end", () => {
    const { status, headers = {}, body = "" } = answer(message, Buffer.concat(chunks));
    setTimeout(() => {
      response.writeHead(status, { "content-length": Buffer.byteLength(body), ...headers });
      response.end(message.method === "HEAD" ? undefined : body);
    }, delayMs);
  });
});
server.listen(0, "127.0.0.1", () => stdout.write(`${(server.address() as AddressInfo).port}\n`));

function answer(message: IncomingMessage, body: Buffer): Answer {
  const url = new URL(message.url ?? "/", "http://sink");
  const [, bucket = "", ...rest] = url.pathname.split("/");
  const key = rest.map(decodeURIComponent).join("/");
  if (key === "") return listing(bucket, url.searchParams);
  const found = objects.get(key);
  if (message.method === "PUT") return put(message, key, body);
  if (message.method === "DELETE") {
    objects.delete(key);
    return { status: 204 };
  }
  if (found === undefined) return { status: 404, body: "<Error><Code>NoSuchKey</Code></Error>" };
  const headers = {
    ...found.headers,
    etag: found.etag,
    "last-modified": new Date(0).toUTCString(),
  };
  if (message.method === "HEAD") {
    return { status: 200, headers: { ...headers, "content-length": String(found.size) } };
  }
  return { status: 200, headers, body: found.body ?? "" };
}

function put(message: IncomingMessage, key: string, body: Buffer): Answer {
  const kept = Object.fromEntries(
    Object.entries(message.headers)
      .filter(([name]) => /^(?:content-type|cache-control|x-amz-meta-.*)$/.test(name))
      .map(([name, value]) => [name, String(value)]),
  );
  const source = message.headers["x-amz-copy-source"];
  if (source !== undefined) {
    const from = decodeURIComponent(String(source)).replace(/^\/?[^/]+\//, "");
    const found = objects.get(from);
    if (found === undefined) return { status: 404, body: "<Error><Code>NoSuchKey</Code></Error>" };
    objects.set(key, { ...found, headers: kept });
    return { status: 200, body: `<CopyObjectResult><ETag>${found.etag}</ETag></CopyObjectResult>` };
  }
  if (!holds(message.headers, objects.get(key)?.etag)) {
    return { status: 412, body: "<Error><Code>PreconditionFailed</Code></Error>" };
  }
  const etag = `"${createHash("md5").update(body).digest("hex")}"`;
  // bytes of pages are never read back here: only Lockstep's own objects are kept
  const isOwn = key.endsWith(".json") || key.endsWith(".gz");
  objects.set(key, { etag, size: body.length, body: isOwn ? body : undefined, headers: kept });
  return { status: 200, headers: { etag } };
}

/** Conditions are kept: a server that ignores them costs one look more for each file. */
function holds(wanted: IncomingMessage["headers"], etag: string | undefined): boolean {
  if (wanted["if-none-match"] === "*" && etag !== undefined) return false;
  return wanted["if-match"] === undefined || wanted["if-match"] === etag;
}

function listing(bucket: string, query: URLSearchParams): Answer {
  const prefix = query.get("prefix") ?? "";
  const after = query.get("continuation-token") ?? "";
  const keys = [...objects.keys()]
    .filter((key) => key.startsWith(prefix) && key > after)
    .toSorted((a, b) => (a < b ? -1 : 1));
  const page = keys.slice(0, 1000);
  const more = keys.length > page.length;
  const contents = page.map((key) => {
    const { etag = "", size = 0 } = objects.get(key) ?? {};
    return `<Contents><Key>${encodeURIComponent(key)}</Key><Size>${size}</Size><ETag>${etag}</ETag><LastModified>1970-01-01T00:00:00.000Z</LastModified></Contents>`;
  });
  const token = more ? `<NextContinuationToken>${page.at(-1) ?? ""}</NextContinuationToken>` : "";
  return {
    status: 200,
    body: `<?xml version="1.0"?><ListBucketResult><Name>${bucket}</Name><Prefix>${prefix}</Prefix><EncodingType>url</EncodingType><KeyCount>${page.length}</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>${String(more)}</IsTruncated>${token}${contents.join("")}</ListBucketResult>`,
  };
}
