import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { PlanContext, Release } from "@lockstep/plugin";
import { testContext } from "@lockstep/testkit";

export const RELEASE: Release = {
  id: "20261121T101500Z-4f9c2d1a",
  createdAt: "2026-11-21T10:15:00.000Z",
};

export interface Site extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly server: Server;
}

/** A real server on a free loopback port. */
export async function serve(listener: RequestListener): Promise<Site> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    server,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Answers every request with this status, body and headers. */
export function always(
  status: number,
  body = "",
  headers: Readonly<Record<string, string>> = {},
): RequestListener {
  return (_request, response) => response.writeHead(status, headers).end(body);
}

const CONNECTION: AsyncDisposable = { [Symbol.asyncDispose]: () => Promise.resolve() };

/** What calls of this target use of a run. */
export function context(
  signal: AbortSignal = new AbortController().signal,
): PlanContext<AsyncDisposable> {
  const env = { SHOP_TOKEN: "value of SHOP_TOKEN" };
  return {
    ...testContext(CONNECTION, { signal, env, release: RELEASE }),
    outputs: () => undefined,
  };
}
