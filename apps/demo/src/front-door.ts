import { once } from "node:events";
import { readFile } from "node:fs/promises";
import {
  createServer,
  type IncomingMessage,
  request as ask,
  type Server,
  type ServerResponse,
} from "node:http";

/** The web server in front of a host's shop: what nginx would be. */
export interface FrontDoor extends AsyncDisposable {
  readonly url: string;
  /** Called before a request is passed on; replaced by whoever wants to know. */
  onRequest: (path: string) => void;
}

/** Passes each request to the process that `file` names at that moment; 503 while there is none. */
export async function openFrontDoor(file: string): Promise<FrontDoor> {
  const server = createServer((incoming, outgoing) => {
    door.onRequest(incoming.url ?? "");
    void pass(file, incoming, outgoing);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { readonly port: number };
  const door: FrontDoor = {
    url: `http://127.0.0.1:${port}`,
    onRequest: () => undefined,
    [Symbol.asyncDispose]: () => close(server),
  };
  return door;
}

async function pass(
  file: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const port = await livePort(file);
  if (port === undefined) return refuse(outgoing, 503, "no release is live");
  const { method, headers, url: path } = incoming;
  // A connection for each request: one that was kept would hold the old process back when it is to end.
  const upstream = ask({
    host: "127.0.0.1",
    port,
    method,
    path,
    headers: { ...headers, connection: "close" },
    agent: false,
  });
  upstream.on("response", (response) => {
    outgoing.writeHead(response.statusCode ?? 502, response.headers);
    response.pipe(outgoing);
  });
  upstream.on("error", (error) => {
    if (outgoing.headersSent) outgoing.destroy();
    else refuse(outgoing, 502, error.message);
  });
  incoming.pipe(upstream);
}

async function livePort(file: string): Promise<number | undefined> {
  try {
    return (JSON.parse(await readFile(file, "utf8")) as { readonly port: number }).port;
  } catch {
    return undefined;
  }
}

function refuse(outgoing: ServerResponse, status: number, why: string): void {
  outgoing.writeHead(status, { "content-type": "text/plain" });
  outgoing.end(`${why}\n`);
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  server.close();
  await once(server, "close");
}
