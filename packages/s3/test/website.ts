import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What a website serves: the objects of a bucket, wherever it is. */
export interface Served {
  get(key: string): Promise<ServedObject | undefined> | ServedObject | undefined;
}

/** One object as it is answered. */
export interface ServedObject {
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** A website endpoint over the objects of a bucket. */
export interface Website extends AsyncDisposable {
  readonly url: string;
  /** Paths that were asked for. */
  readonly asked: string[];
  /** Paths that there was nothing for. */
  readonly failed: string[];
  /** Stops answering. */
  close(): Promise<void>;
}

/** Serves objects as a website endpoint does: index pages, redirects, also into folders, 404 for the rest. */
export async function startWebsite(objects: Served, prefix = ""): Promise<Website> {
  const asked: string[] = [];
  const failed: string[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = decodeURIComponent((request.url ?? "/").split("?")[0] ?? "/").slice(1);
    asked.push(`/${path}`);
    const key = `${prefix}${path}${path === "" || path.endsWith("/") ? "index.html" : ""}`;
    const found = await objects.get(key);
    const location = found?.headers["x-amz-website-redirect-location"];
    if (location !== undefined) response.writeHead(301, { location }).end();
    else if (found === undefined && (await objects.get(`${key}/index.html`)) !== undefined) {
      response.writeHead(302, { location: `/${path}/` }).end();
    } else if (found === undefined) {
      failed.push(`/${path}`);
      response.writeHead(404).end("not found");
    } else response.writeHead(200, { ...found.headers }).end(found.body);
  };
  const server = createServer((request, response) => {
    answer(request, response).catch(() => {
      failed.push(request.url ?? "");
      response.destroy();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    failed,
    close,
    [Symbol.asyncDispose]: close,
  };
}
