import { lookup as systemLookup } from "node:dns";
import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import type { LookupFunction } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { rootCertificates } from "node:tls";
import { isLockstepError } from "@lockstep/plugin";
import { unreachable } from "../errors.ts";
import type { NetworkPolicy } from "./policy.ts";
import { type Proxies, tunnel } from "./proxy.ts";

/** Bytes of a request that can be read again when it must be sent again. */
export interface Body {
  readonly size: number;
  open(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** One request to one URL. */
export interface Exchange {
  readonly method: "DELETE" | "GET" | "HEAD" | "PATCH" | "POST" | "PUT";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Body | undefined;
  readonly signal: AbortSignal;
}

/** An answer whose body is still to be read, or dropped with `body.destroy()`. */
export interface Answer {
  readonly status: number;
  /** All values of a header, in the order they came. */
  header(name: string): readonly string[];
  /** Where it came from, after redirects. */
  readonly url: URL;
  readonly body: IncomingMessage;
}

/** Sends requests over connections that are kept open until it is disposed of. */
export interface Transport extends AsyncDisposable {
  /** @throws {LockstepError} `REGISTRY_UNREACHABLE` (retryable), and what the policy refuses */
  send(exchange: Exchange): Promise<Answer>;
  /** Requests sent so far. */
  readonly requests: number;
}

/** How connections are made. */
export interface TransportOptions {
  readonly policy: NetworkPolicy;
  /** PEM certificates that are trusted besides those of Node. */
  readonly ca?: string | undefined;
  /** PEM certificate and key of this client, for mutual TLS. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly proxies: Proxies;
  /** Milliseconds without a byte in either direction. */
  readonly idleMs: number;
  /** How names become addresses; default: as the system does. */
  readonly lookup?: LookupFunction | undefined;
}

/** From this size a body waits until the server has seen the headers. */
const ASK_FIRST_BYTES = 1024 * 1024;
/** Milliseconds after which the body is sent anyway: some servers never answer `Expect`. */
const ASK_FIRST_MS = 1000;

/** Makes a transport. Opens nothing. */
export function createTransport(options: TransportOptions): Transport {
  const plain = new HttpAgent({ keepAlive: true, maxSockets: 16 });
  const { ca, cert, key } = options;
  const tls = {
    keepAlive: true,
    maxSockets: 16,
    ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
  const secure = new HttpsAgent(tls);
  const tunneled = tunnel(tls, options.proxies);
  let requests = 0;

  return {
    get requests() {
      return requests;
    },
    async send(exchange) {
      exchange.signal.throwIfAborted();
      options.policy.checkUrl(exchange.url);
      requests += 1;
      const isPlain = exchange.url.protocol === "http:";
      const agent = isPlain ? plain : (tunneled(exchange.url) ?? secure);
      try {
        return await exchangeOver(agent, exchange, options);
      } catch (cause) {
        exchange.signal.throwIfAborted();
        throw isLockstepError(cause) ? cause : unreachable(exchange.url, cause);
      }
    },
    async [Symbol.asyncDispose]() {
      plain.destroy();
      secure.destroy();
      tunneled.destroy();
    },
  };
}

async function exchangeOver(
  agent: HttpAgent,
  { method, url, headers = {}, body, signal }: Exchange,
  { policy, idleMs, lookup }: TransportOptions,
): Promise<Answer> {
  const asksFirst = body !== undefined && body.size >= ASK_FIRST_BYTES;
  const start = url.protocol === "http:" ? requestHttp : requestHttps;
  const request = start(url, {
    method,
    agent,
    lookup: guarded(policy, url, lookup ?? systemLookup),
    headers: {
      "user-agent": "lockstep",
      ...headers,
      ...(method === "GET" || method === "HEAD" ? {} : { "content-length": body?.size ?? 0 }),
      ...(asksFirst ? { expect: "100-continue" } : {}),
    },
    signal,
  });
  request.setTimeout(idleMs, () => request.destroy(new Error(`no byte for ${idleMs} ms`)));
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.once("response", resolve);
    request.once("error", reject);
  });
  const stop = new AbortController();
  const sent = sendBody(request, {
    body,
    asksFirst,
    signal: AbortSignal.any([signal, stop.signal]),
  });
  // whichever fails first tells; the other one must not go unheard
  sent.catch((error: unknown) => {
    if (!stop.signal.aborted) request.destroy(error instanceof Error ? error : undefined);
  });
  const message = await answered;
  // an answer before the end of the body is final: the rest of the body is not wanted
  if (!request.writableFinished) stop.abort();
  message.on("error", () => {});
  return {
    status: message.statusCode ?? 0,
    header: (name) => message.headersDistinct[name] ?? [],
    url,
    body: message,
  };
}

interface Sending {
  readonly body: Body | undefined;
  readonly asksFirst: boolean;
  readonly signal: AbortSignal;
}

async function sendBody(
  request: ReturnType<typeof requestHttp>,
  { body, asksFirst, signal }: Sending,
): Promise<void> {
  if (body === undefined || body.size === 0) {
    request.end();
    return;
  }
  if (asksFirst) {
    request.flushHeaders();
    await invited(request, signal);
  }
  await pipeline(Readable.from(body.open(signal), { objectMode: false }), request, { signal });
}

/** Resolves when the server wants the body, or does not say anything. */
function invited(request: ReturnType<typeof requestHttp>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ASK_FIRST_MS);
    const stop = (): void => {
      clearTimeout(timer);
      reject(new Error("the body is not wanted"));
    };
    signal.addEventListener("abort", stop, { once: true });
    request.once("close", stop);
    request.once("continue", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Looks at every address before it is connected to; the one that was looked at is the one that is used. */
function guarded(policy: NetworkPolicy, url: URL, lookup: LookupFunction): LookupFunction {
  return (name, options, done) => {
    lookup(name, options, (error, found, family) => {
      if (error !== null) {
        done(error, found, family);
        return;
      }
      try {
        for (const one of typeof found === "string" ? [{ address: found }] : found) {
          policy.checkAddress(url, one.address);
        }
      } catch (refused) {
        done(refused as NodeJS.ErrnoException, found, family);
        return;
      }
      done(null, found, family);
    });
  };
}
