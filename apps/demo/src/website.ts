import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { S3Bucket } from "@lockstep/testkit";

/** The public address of a bucket: what website hosting or a CDN in front of it would be. */
export interface Website extends AsyncDisposable {
  readonly url: string;
}

/** Serves the objects of a bucket to everybody; a path that ends in a slash means its `index.html`. */
export async function openWebsite(bucket: S3Bucket): Promise<Website> {
  const server = createServer(({ url = "/" }, response) => {
    const path = decodeURIComponent(new URL(url, "http://localhost").pathname).slice(1);
    serve(bucket, path === "" || path.endsWith("/") ? `${path}index.html` : path, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { readonly port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function serve(bucket: S3Bucket, key: string, response: ServerResponse): void {
  const found = key.startsWith(".lockstep/") ? undefined : bucket.get(key);
  if (found === undefined) {
    response.writeHead(404, { "content-type": "text/plain" });
    response.end("There is no such page.\n");
    return;
  }
  const { "content-type": type = "application/octet-stream", "cache-control": cache = "" } =
    found.headers;
  response.writeHead(200, { "content-type": type, "cache-control": cache });
  response.end(found.body);
}
