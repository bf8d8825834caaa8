import { redirectTarget } from "./url.ts";

/** Longest part of a body that is read, in bytes, after decompression. */
export const BODY_LIMIT: number = 64 * 1024;

/** One GET request. */
export interface Request {
  readonly url: string;
  /** Redirects that may be followed. */
  readonly redirects: number;
  /** Milliseconds for all of it. */
  readonly timeoutMs: number;
  /** Sent to the origin of `url` and to no other. */
  readonly headers: Readonly<Record<string, string>>;
}

/** What was answered. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The first {@link BODY_LIMIT} bytes as UTF-8. */
  readonly body: string;
  /** True when the body goes on. */
  readonly isCut: boolean;
}

/** Why there was no answer. */
export interface NoAnswer {
  /** One line, safe to print. */
  readonly why: string;
  /** True when the reason may lie on this side: users may well be served. */
  readonly isOurs: boolean;
}

/**
 * Asks on a connection of its own, since a connection kept open would hide that no new one can be made.
 *
 * Rejects only when `signal` aborts.
 */
export async function send(request: Request, signal: AbortSignal): Promise<Answer | NoAnswer> {
  const timeout = AbortSignal.timeout(request.timeoutMs);
  try {
    return await follow(request, AbortSignal.any([signal, timeout]));
  } catch (error) {
    signal.throwIfAborted();
    if (timeout.aborted) return { why: `no answer in ${request.timeoutMs} ms`, isOurs: true };
    return noAnswer(error);
  }
}

async function follow(request: Request, signal: AbortSignal): Promise<Answer> {
  const { origin } = new URL(request.url);
  let url = request.url;
  for (let left = request.redirects; ; left -= 1) {
    const own = new URL(url).origin === origin ? request.headers : {};
    const headers = { "user-agent": "lockstep", ...own, connection: "close" };
    const response = await fetch(url, { redirect: "manual", headers, signal });
    const next = left > 0 ? nextOf(response, url) : undefined;
    if (next === undefined) return answerOf(response);
    await response.body?.cancel();
    url = next;
  }
}

function nextOf({ status, headers }: Response, url: string): string | undefined {
  return status >= 300 && status < 400 ? redirectTarget(headers.get("location"), url) : undefined;
}

async function answerOf(response: Response): Promise<Answer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size > BODY_LIMIT) break; // leaving the loop cancels the rest
  }
  const body = Buffer.concat(chunks).subarray(0, BODY_LIMIT).toString("utf8");
  return { status: response.status, headers: response.headers, body, isCut: size > BODY_LIMIT };
}

/** Codes that tell of this machine's name server, routes or limits, not of the server that was asked. */
const OURS = new Set([
  "EADDRNOTAVAIL",
  "EAI_AGAIN",
  "EAI_FAIL",
  "EHOSTUNREACH",
  "EMFILE",
  "ENETDOWN",
  "ENETUNREACH",
  "ENFILE",
  "ENOTFOUND",
  "ETIMEDOUT",
  "UND_ERR_CONNECT_TIMEOUT",
]);

/** A host may have several addresses; if one of them refused, users are refused too. */
function noAnswer(error: unknown): NoAnswer {
  const codes = [...new Set(causesOf(error).flatMap((cause) => codeOf(cause) ?? []))];
  const isOurs = codes.length > 0 && codes.every((code) => OURS.has(code));
  return { why: `no answer (${codes.join(", ") || "the request failed"})`, isOurs };
}

/** The innermost reasons: fetch wraps them, and a host with several addresses has one per address. */
function causesOf(error: unknown): unknown[] {
  if (error instanceof AggregateError) return error.errors.flatMap(causesOf);
  if (error instanceof Error && error.cause !== undefined) return causesOf(error.cause);
  return [error];
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  return "code" in error && typeof error.code === "string" ? error.code : undefined;
}
