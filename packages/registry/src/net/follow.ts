import { redirectRefused } from "../errors.ts";
import type { Answer, Exchange, Transport } from "./transport.ts";
import { isSameOrigin } from "./url.ts";

/** Redirects that are followed for one request. */
const MOST_HOPS = 5;

/**
 * Sends a request and follows redirects that keep its method. What identifies us goes to its own origin
 * alone; a body is read anew for each hop; `POST` and `DELETE` are never redirected.
 *
 * @throws {LockstepError} `REGISTRY_REDIRECT`, and what `Transport.send` throws
 */
export async function follow(transport: Transport, exchange: Exchange): Promise<Answer> {
  let next = exchange;
  for (let hops = 0; ; hops += 1) {
    const answer = await transport.send(next);
    const target = targetOf(answer, exchange.method);
    if (target === undefined) return answer;
    answer.body.destroy();
    if (hops === MOST_HOPS) throw redirectRefused(exchange.url, `more than ${MOST_HOPS} redirects`);
    const url = URL.parse(target, answer.url.href);
    if (url === null) throw redirectRefused(exchange.url, "a redirect that is no URL");
    if (answer.url.protocol === "https:" && url.protocol !== "https:") {
      throw redirectRefused(exchange.url, "a redirect from HTTPS to plain HTTP");
    }
    next = { ...next, url, headers: headersFor(url, exchange) };
  }
}

function targetOf({ status, header }: Answer, method: Exchange["method"]): string | undefined {
  const keeps = status === 307 || status === 308;
  const reads = method === "GET" || method === "HEAD";
  const follows = reads
    ? keeps || status === 301 || status === 302 || status === 303
    : keeps && (method === "PUT" || method === "PATCH");
  return follows ? header("location")[0] : undefined;
}

/** Without our name on it where another origin reads it. */
export function headersFor(url: URL, exchange: Exchange): Readonly<Record<string, string>> {
  const { authorization: _secret, ...rest } = exchange.headers ?? {};
  return isSameOrigin(url, exchange.url) ? (exchange.headers ?? {}) : rest;
}
