import { type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/** When, seen from the registry, who asks is killed: request `at`, from 1, before it is seen or after it is done. */
export interface Strike {
  readonly at: number;
  readonly when: "before" | "after";
  readonly victim: ChildProcess;
}

/** Stands before a registry, counts what is asked, and can kill who asks. */
export interface Door extends AsyncDisposable {
  readonly port: number;
  /** What was asked since the last `arm`, one line for each request. */
  readonly asked: readonly string[];
  /** Bytes of their bodies. */
  readonly sentBytes: number;
  /** Called after every request that the registry has answered. */
  look: () => Promise<void>;
  /** Counts from anew, and strikes once. */
  arm(strike?: Strike): void;
}

/** Opens a door on a free loopback port to a registry on loopback. */
export async function openDoor(upstream: { readonly port: number }): Promise<Door> {
  let strike: Strike | undefined;
  let asked: string[] = [];
  let sentBytes = 0;
  const server = createServer((incoming, response) => {
    pass(incoming, response).catch((error: unknown) => response.destroy(error as Error));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const door: Door = {
    port: (server.address() as AddressInfo).port,
    get asked() {
      return asked;
    },
    get sentBytes() {
      return sentBytes;
    },
    look: async () => {},
    arm(next) {
      strike = next;
      asked = [];
      sentBytes = 0;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return door;

  async function pass(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    asked.push(`${incoming.method} ${incoming.url?.split("?")[0]}`);
    const now = asked.length === strike?.at ? strike : undefined;
    if (now?.when === "before") {
      await killed(now.victim);
      response.destroy();
      return;
    }
    const sent = await buffer(incoming);
    sentBytes += sent.length;
    const { status, headers, body } = await forward(incoming, sent);
    await door.look();
    if (now !== undefined) {
      await killed(now.victim);
      response.destroy();
      return;
    }
    response.writeHead(status, headers).end(body);
  }

  async function forward(
    incoming: IncomingMessage,
    sent: Buffer,
  ): Promise<{ status: number; headers: IncomingMessage["headers"]; body: Buffer }> {
    const { method, url, headers } = incoming;
    const asking = request({ host: "127.0.0.1", port: upstream.port, method, path: url, headers });
    asking.end(sent);
    const [answer] = (await once(asking, "response")) as [IncomingMessage];
    return {
      status: answer.statusCode ?? 502,
      headers: answer.headers,
      body: await buffer(answer),
    };
  }
}

async function killed(victim: ChildProcess): Promise<void> {
  if (victim.exitCode !== null || victim.signalCode !== null) return;
  victim.kill("SIGKILL");
  await once(victim, "exit");
}
