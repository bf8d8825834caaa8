import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { blob, upload } from "./registry-blobs.ts";
import {
  answer,
  type Exchange,
  type RegistryAuth,
  type RegistryQuirks,
  type RegistryRequest,
  type SandboxRegistry,
} from "./registry-exchange.ts";
import { challenge, isLetIn, token } from "./registry-login.ts";
import { listTags, manifests, referrers } from "./registry-manifests.ts";
import { RegistryStore } from "./registry-store.ts";

/** How a sandbox registry is started. */
export interface SandboxRegistryOptions {
  readonly quirks?: RegistryQuirks;
  readonly auth?: RegistryAuth;
}

/**
 * Starts a container registry that keeps everything in memory, over plain HTTP on loopback.
 *
 * @see OCI distribution specification
 */
export async function startSandboxRegistry(
  options: SandboxRegistryOptions = {},
): Promise<SandboxRegistry> {
  const uploads = new Map<string, Buffer>();
  const server = createServer((message, response) => {
    const url = new URL(message.url ?? "/", "http://sandbox");
    const request: RegistryRequest = {
      method: message.method ?? "",
      path: url.pathname,
      query: url.searchParams,
      headers: message.headers,
      number: registry.requests.length + 1,
    };
    registry.requests.push(request);
    const exchange = { registry, auth: options.auth, uploads, request, message, response };
    serve(exchange).catch(() => response.destroy());
  });
  // the body of a request is wanted only once the headers have been looked at
  server.on("checkContinue", (message: IncomingMessage, response: ServerResponse) => {
    server.emit("request", message, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const registry: SandboxRegistry = {
    host: `127.0.0.1:${port}`,
    port,
    store: new RegistryStore(),
    requests: [],
    fault: undefined,
    quirks: options.quirks ?? {},
    tokens: new Set(),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return registry;
}

async function serve(exchange: Exchange): Promise<void> {
  const { registry, request, response, message, auth } = exchange;
  if ((await registry.fault?.(request, { message, response })) === true) return;
  if (auth !== undefined && request.path === "/token") return token(exchange, auth);
  if (auth !== undefined && !isLetIn(exchange, auth)) return challenge(exchange, auth);

  const found = /^\/v2\/(.+?)\/(manifests|blobs|tags|referrers)\/(.+)$/.exec(request.path);
  if (found === null) return answer(response, 200);
  const [, name = "", kind, rest = ""] = found;
  if (kind === "tags") return listTags(exchange, name);
  if (kind === "manifests") return manifests(exchange, name, decodeURIComponent(rest));
  if (kind === "referrers") return referrers(exchange, name, rest);
  if (rest.startsWith("uploads/")) return upload(exchange, name, rest.slice("uploads/".length));
  return blob(exchange, name, rest);
}
