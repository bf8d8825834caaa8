import { request } from "node:http";
import type { Duplex } from "node:stream";
import type { Check, CheckResult, ReadContext } from "@lockstep/plugin";
import { hostOf, type SshConnection } from "../connection.ts";
import { asError, deferred } from "../deferred.ts";
import { reasonOf, remoteFailed, tunnelDenied } from "../errors.ts";
import { releaseOf } from "../layout.ts";
import { lastLine, oneLine } from "../output.ts";
import { INSPECT } from "./activate-scripts.ts";

/** What is asked on the host and what the answer must be. */
export type HttpCheckInput = {
  /** Path of the target on the host. */
  readonly path: string;
  /** `http:` URL as the host sees it. */
  readonly http: string;
  readonly status: number;
  /** Text the body must hold; `{release}` stands for the release that `current` points at. */
  readonly body?: string;
};

/** Bytes of a body that are searched. */
const BODY_BYTES = 65_536;

/** Milliseconds one answer may take. */
const ANSWER_MS = 10_000;

/** Asks a service on the host through the SSH connection: it need not be reachable from anywhere else. */
export const checkHttp: Check<HttpCheckInput, SshConnection> = {
  kind: "ssh.check-http/1",

  describe({ http, status, body }) {
    const text = body === undefined ? "" : ` with ${JSON.stringify(body)}`;
    return oneLine(`ask ${http} on the host for ${status}${text}`);
  },

  async check(input, ctx): Promise<CheckResult> {
    const host = hostOf(ctx.connection, ctx.unit);
    const url = new URL(input.http);
    const body = input.body === undefined ? undefined : await named(input.body, input.path, ctx);
    const wanted = body === undefined ? `${input.status}` : `${input.status} with ${body}`;
    const to = { address: url.hostname.replaceAll(/[[\]]/g, ""), port: Number(url.port || 80) };
    const tunnel = await host.tunnel(ctx, to);
    if (tunnel === "denied") throw tunnelDenied(host);
    if (tunnel === "refused") return { status: "fail", wanted, found: "no connection" };
    try {
      const answer = await ask(url, tunnel, ctx.signal);
      const isRight =
        answer.status === input.status && (body === undefined || answer.body.includes(body));
      const start = lastLine(answer.body.slice(0, 200));
      const found = body === undefined ? `${answer.status}` : `${answer.status} with ${start}`;
      return { status: isRight ? "pass" : "fail", wanted, found };
    } catch (error) {
      ctx.signal.throwIfAborted();
      return { status: "fail", wanted, found: reasonOf(error) };
    } finally {
      tunnel.destroy();
    }
  },
};

async function named(text: string, path: string, ctx: ReadContext<SshConnection>): Promise<string> {
  if (!text.includes("{release}")) return text;
  const host = hostOf(ctx.connection, ctx.unit);
  const ran = await host.run(ctx, { text: INSPECT, values: { P: path } });
  if (ran.status !== 0) throw remoteFailed(host, "Reading the link", ran);
  return text.replaceAll("{release}", releaseOf(ran.stdout.trim()) ?? "");
}

function ask(
  url: URL,
  tunnel: Duplex,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly body: string }> {
  const { promise, resolve, reject } = deferred<{ status: number; body: string }>();
  const call = request(url, {
    createConnection: () => tunnel,
    signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
    headers: { connection: "close", "user-agent": "lockstep" },
  });
  call.on("error", reject);
  call.on("response", (response) => {
    let body = "";
    const finish = (): void => resolve({ status: response.statusCode ?? 0, body });
    response.setEncoding("utf8");
    response.on("data", (chunk: string) => {
      body += chunk;
      // a body without an end is cut, not waited for
      if (body.length >= BODY_BYTES) finish();
    });
    response.on("end", finish);
    response.on("error", (cause: unknown) => reject(asError(cause)));
  });
  call.end();
  return promise;
}
