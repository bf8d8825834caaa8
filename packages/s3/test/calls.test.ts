import { hash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { openBucket } from "../src/aws-bucket.ts";
import type { BucketSettings } from "../src/bucket-options.ts";
import type { Bucket } from "../src/bucket.ts";

/** A request as it came over the wire. */
interface Wire {
  readonly line: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What the SDK says of itself, and what depends on the second. */
const OWN = new Set([
  "amz-sdk-invocation-id",
  "amz-sdk-request",
  "user-agent",
  "x-amz-user-agent",
  "authorization",
  "x-amz-date",
  "connection",
  "expect", // before long bodies the SDK asks first; it is neither signed nor kept
]);

const KEYS = ["index.html", "a b/c+d&e=f.html", "h~i!'()*@:$,;.html", "100%/ü/日本.html"];

/** From 2 MiB on the SDK sends in another way. */
const LONG = Buffer.alloc(2 * 1024 * 1024 + 1, "a");

const headers = {
  "cache-control": "public, max-age=60",
  "content-type": "text/html; charset=utf-8",
  "content-language": "en",
  "x-amz-meta-lockstep": "0".repeat(64),
  "x-amz-website-redirect-location": "/other/",
};

const calls: readonly (readonly [string, (bucket: Bucket, key: string) => Promise<unknown>])[] = [
  ["an upload", (bucket, key) => bucket.put({ key, body: Buffer.from("<p>"), headers })],
  ["an empty upload", (bucket, key) => bucket.put({ key, body: Buffer.from("") })],
  [
    "an upload where there is nothing",
    (bucket, key) => bucket.put({ key, body: Buffer.from("a"), absent: true }),
  ],
  [
    "an upload over one object",
    (bucket, key) => bucket.put({ key, body: Buffer.from("a"), etag: '"b"' }),
  ],
  ["a long upload", (bucket, key) => bucket.put({ key, body: LONG, headers })],
  ["a copy", (bucket, key) => bucket.copy({ from: `.lockstep/${key}`, to: key, headers })],
  [
    "a copy of one object",
    (bucket, key) =>
      bucket.copy({ from: `.lockstep/${key}`, fromEtag: '"a"', to: key, headers, etag: '"b"' }),
  ],
  [
    "a copy where there is nothing",
    (bucket, key) => bucket.copy({ from: `.lockstep/${key}`, to: key, headers, absent: true }),
  ],
  [
    "a copy over one object",
    (bucket, key) => bucket.copy({ from: `.lockstep/${key}`, to: key, headers, etag: '"b"' }),
  ],
  ["a look", (bucket, key) => bucket.head(key)],
  ["a removal", (bucket, key) => bucket.remove(key)],
  ["a removal of one object", (bucket, key) => bucket.remove(key, { etag: '"b"' })],
];

const more: readonly (readonly [string, Partial<BucketSettings>])[] = [
  ["as it is", {}],
  [
    "of another account, encrypted and tagged",
    {
      expectedBucketOwner: "123456789012",
      storedWith: {
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:eu-west-1:123456789012:key/a",
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-tagging": "team=shop",
      },
    },
  ],
];

describe.each(more)("a bucket %s", (_name, settings) => {
  it.each(calls)("gets the same of the engine and of the SDK: %s", async (_what, call) => {
    for (const key of KEYS) {
      const [own, sdk] = [
        await sentBy("own", settings, (bucket) => call(bucket, key)),
        await sentBy("sdk", settings, (bucket) => call(bucket, key)),
      ];

      expect(own.map(withoutOwn)).toEqual(sdk.map(withoutOwn));
      expect(own.map(signedIn)).toEqual(sdk.map(signedIn));
      expect(JSON.stringify(own.map(({ headers: all }) => Object.keys(all)))).not.toMatch(
        /x-amz-(?:acl|grant)/,
      );
      expect(own[0]?.headers["authorization"]).toMatch(
        /^AWS4-HMAC-SHA256 Credential=KEY\/\d{8}\/eu-1\/s3\/aws4_request, SignedHeaders=.*, Signature=[0-9a-f]{64}$/,
      );
    }
  });
});

function withoutOwn({ line, headers: all, body }: Wire): Wire {
  const kept = Object.entries(all).filter(([name]) => !OWN.has(name));
  return { line, headers: Object.fromEntries(kept), body };
}

/** Short bodies as they are, long ones by their digest. */
function shortened(body: Buffer): string {
  return body.length < 1_000 ? body.toString() : hash("sha256", body, "hex");
}

/** Names of the headers that are signed, without those that only the SDK has. */
function signedIn({ headers: all }: Wire): readonly string[] {
  const names = /SignedHeaders=([^,]*)/.exec(all["authorization"] ?? "")?.[1]?.split(";") ?? [];
  return names.filter((name) => !name.startsWith("amz-sdk-") && name !== "x-amz-user-agent");
}

/** What a server gets of one call. */
async function sentBy(
  engine: "own" | "sdk",
  more_: Partial<BucketSettings>,
  call: (bucket: Bucket) => Promise<unknown>,
): Promise<Wire[]> {
  const seen: Wire[] = [];
  const server = createServer((message, response) => {
    const chunks: Buffer[] = [];
    message.on("data", (chunk: Buffer) => chunks.push(chunk));
    message.on("end", () => {
      seen.push({
        line: `${message.method} ${message.url}`,
        headers: Object.fromEntries(
          Object.entries(message.headers).map(([name, value]) => [
            name.toLowerCase(),
            String(value),
          ]),
        ),
        body: shortened(Buffer.concat(chunks)),
      });
      const isCopy = message.headers["x-amz-copy-source"] !== undefined;
      response.writeHead(message.method === "DELETE" ? 204 : 200, { etag: '"x"' });
      response.end(isCopy ? "<CopyObjectResult><ETag>x</ETag></CopyObjectResult>" : undefined);
    });
  });
  // the same port for both: it is part of what is signed
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const bucket = await openBucket(
    {
      bucket: "shop",
      region: "eu-1",
      endpoint: `http://127.0.0.1:${port}`,
      pathStyle: true,
      credentials: "chain",
      expectedBucketOwner: undefined,
      storedWith: {},
      engine,
      ...more_,
    },
    {
      env: {
        AWS_ACCESS_KEY_ID: "KEY",
        AWS_SECRET_ACCESS_KEY: "SECRET",
        AWS_SESSION_TOKEN: "TOKEN",
      },
      secret: async () => "",
      random: Math.random,
    },
  );
  try {
    await call(bucket);
  } finally {
    await bucket[Symbol.asyncDispose]();
    server.closeAllConnections();
    server.close();
  }
  return seen.map(({ headers: all, ...rest }) => ({
    ...rest,
    headers: { ...all, host: String(all["host"]).replace(String(port), "PORT") },
  }));
}
