import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Server } from "./world.ts";

/** A request that came to the front. */
export interface Asked {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  /** Counted from 1. */
  readonly number: number;
  readonly isCopy: boolean;
  readonly headers: IncomingMessage["headers"];
}

/** What the front does in place of passing a request on, or after it. */
export type Trick =
  | {
      readonly status: number;
      readonly body?: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** Takes the request and never answers. */
  | "hang"
  /** Ends the connection when half of the request has come. */
  | "reset"
  /** Passes it on, and ends the connection in place of an answer. */
  | "lose"
  /** Changes one byte of the body. */
  | "flip"
  /** Begins an answer and stops. */
  | "stall"
  /** Answers a byte at a time, without end. */
  | "drip";

/** Stands before a server and plays tricks; requests that it passes on keep their signatures. */
export interface Front extends Server, AsyncDisposable {
  readonly asked: readonly Asked[];
  /** Asked for every request. */
  trick: (asked: Asked) => Trick | undefined;
  /** Stops answering. */
  close(): Promise<void>;
  /** Headers that are set on every answer that is passed back. */
  readonly answerHeaders: Record<string, string>;
}

/** Starts a front on a free loopback port. */
export async function startFront(server: Server): Promise<Front> {
  const asked: Asked[] = [];
  const back = new URL(server.endpoint);
  const listener = createServer((message, response) => {
    const one = {
      method: message.method ?? "",
      url: message.url ?? "",
      number: asked.length + 1,
      isCopy: message.headers["x-amz-copy-source"] !== undefined,
      headers: message.headers,
    };
    asked.push(one);
    play(front.trick(one), message, response).catch(() => message.socket.destroy());
  });
  const play = async (
    trick: Trick | undefined,
    message: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> => {
    if (trick === "hang") return;
    if (trick === "reset") {
      await once(message, "data").catch(() => undefined);
      message.socket.destroy();
      return;
    }
    if (trick === "stall" || trick === "drip") {
      message.resume();
      response.writeHead(200, { "content-length": 1_000_000 }).write("<");
      if (trick === "drip") drip(response);
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of message) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    if (typeof trick === "object") {
      response.writeHead(trick.status, { "content-type": "application/xml", ...trick.headers });
      response.end(message.method === "HEAD" ? undefined : trick.body);
      return;
    }
    if (trick === "flip" && body.length > 0) body[0] = (body[0] ?? 0) ^ 1;
    const passed = request({
      host: back.hostname,
      port: back.port,
      method: message.method,
      path: message.url,
      headers: message.headers,
    });
    passed.end(body);
    const [answer] = (await once(passed, "response")) as [IncomingMessage];
    if (trick === "lose") {
      answer.resume();
      await once(answer, "end");
      message.socket.destroy();
      return;
    }
    response.writeHead(answer.statusCode ?? 500, { ...answer.headers, ...front.answerHeaders });
    answer.pipe(response);
  };
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  const close = async (): Promise<void> => {
    if (!listener.listening) return;
    listener.closeAllConnections();
    listener.close();
    await once(listener, "close");
  };
  const front: Front = {
    endpoint: `http://127.0.0.1:${port}`,
    region: server.region,
    credentials: server.credentials,
    asked,
    trick: () => undefined,
    answerHeaders: {},
    close,
    [Symbol.asyncDispose]: close,
  };
  return front;
}

function drip(response: ServerResponse): void {
  const timer = setInterval(() => response.write(" "), 20);
  response.on("close", () => clearInterval(timer));
}

/** An error as S3 words it. */
export function s3Error(code: string, message: string = code): string {
  return `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
}
