import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { type Radosgw, startRadosgw } from "@lockstep/testkit";

/** The client of Amazon's that the plugin brings, in the words that are used here. */
interface Sdk {
  readonly S3Client: new (config: object) => Client;
  readonly CreateBucketCommand: new (input: object) => object;
  readonly GetObjectCommand: new (input: object) => object;
}

interface Client {
  send(command: object): Promise<Stored>;
  destroy(): void;
}

interface Stored {
  readonly Body?: { transformToString(): Promise<string> };
  readonly ContentType?: string;
  readonly CacheControl?: string;
  readonly Metadata?: Readonly<Record<string, string>>;
}

const sdk = createRequire(import.meta.resolve("@lockstep/s3"))("@aws-sdk/client-s3") as Sdk;

/** A bucket of a real S3 server, and what stands before it for users. */
export interface Site extends AsyncDisposable {
  readonly server: Radosgw;
  readonly bucket: string;
  /** Where users ask. */
  readonly url: string;
}

/**
 * Starts a Ceph RADOS gateway with one bucket, and a front that reads it as somebody else does: it fails on pages
 * that hold `bad`, whatever the bucket holds.
 *
 * @param folder - Existing, absolute, of its own.
 */
export async function openSite(folder: string, bad: string): Promise<Site> {
  const server = await startRadosgw({ folder });
  const { endpoint, region, credentials } = server;
  const client = new sdk.S3Client({ endpoint, region, credentials, forcePathStyle: true });
  const bucket = "shop";
  await client.send(new sdk.CreateBucketCommand({ Bucket: bucket }));
  const answer = async (url: string, response: ServerResponse): Promise<void> => {
    const key = url.endsWith("/") ? `${url.slice(1)}index.html` : url.slice(1);
    const page = await pageOf(client, { bucket, key });
    if (page === undefined) response.writeHead(404).end();
    else if (page.body.includes(bad)) response.writeHead(500).end();
    else response.writeHead(200, page.headers).end(page.body);
  };
  const front = createServer(({ url = "/" }, response) => {
    answer(url, response).catch((error: unknown) => response.destroy(error as Error));
  });
  front.listen(0, "127.0.0.1");
  await once(front, "listening");
  return {
    server,
    bucket,
    url: `http://127.0.0.1:${(front.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      front.closeAllConnections();
      front.close();
      await once(front, "close");
      client.destroy();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** What users may read; undefined where there is nothing, or nothing for them. */
async function pageOf(
  client: Client,
  { bucket, key }: { readonly bucket: string; readonly key: string },
): Promise<{ readonly body: string; readonly headers: Record<string, string> } | undefined> {
  if (key.startsWith(".lockstep/")) return undefined;
  try {
    const found = await client.send(new sdk.GetObjectCommand({ Bucket: bucket, Key: key }));
    const { ContentType, CacheControl, Metadata = {} } = found;
    return {
      body: (await found.Body?.transformToString()) ?? "",
      headers: {
        ...(ContentType === undefined ? {} : { "content-type": ContentType }),
        ...(CacheControl === undefined ? {} : { "cache-control": CacheControl }),
        ...Object.fromEntries(
          Object.entries(Metadata).map(([name, value]) => [`x-amz-meta-${name}`, value]),
        ),
      },
    };
  } catch (error) {
    if (error instanceof Error && error.name === "NoSuchKey") return undefined;
    throw error;
  }
}
