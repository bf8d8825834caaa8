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
  /** Fields of a JSON body, by name with dots in between, and the text that each must be. */
  readonly json?: Readonly<Record<string, string>>;
};

/** Stands for the release that `current` points at. */
const PLACEHOLDER = "{release}";

/** Bytes of a body that are searched. */
const BODY_BYTES = 65_536;

/** Milliseconds one answer may take. */
const ANSWER_MS = 10_000;

/** Asks a service on the host through the SSH connection: it need not be reachable from anywhere else. */
export const checkHttp: Check<HttpCheckInput, SshConnection> = {
  kind: "ssh.check-http/1",

  describe({ http, status, body, json = {} }) {
    const fields = Object.entries(json).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
    const text = [...(body === undefined ? [] : [JSON.stringify(body)]), ...fields].join(" and ");
    return oneLine(`ask ${http} on the host for ${status}${text === "" ? "" : ` with ${text}`}`);
  },

  async check(input, ctx): Promise<CheckResult> {
    const host = hostOf(ctx.connection, ctx.unit);
    const url = new URL(input.http);
    const wish = await named(input, ctx);
    const wanted = wantedOf(wish);
    const to = { address: url.hostname.replaceAll(/[[\]]/g, ""), port: Number(url.port || 80) };
    const tunnel = await host.tunnel(ctx, to);
    if (tunnel === "denied") throw tunnelDenied(host);
    if (tunnel === "refused") return { status: "fail", wanted, found: "no connection" };
    try {
      const answer = await ask(url, tunnel, ctx.signal);
      return { wanted, ...judge(wish, answer) };
    } catch (error) {
      ctx.signal.throwIfAborted();
      return { status: "fail", wanted, found: reasonOf(error) };
    } finally {
      tunnel.destroy();
    }
  },
};

/** What the answer must be, the live release named. */
type Wish = Pick<HttpCheckInput, "status" | "body" | "json">;

interface Answered {
  readonly status: number;
  readonly body: string;
}

function wantedOf({ status, body, json }: Wish): string {
  const fields = json === undefined ? [] : [JSON.stringify(json)];
  const text = [...(body === undefined ? [] : [body]), ...fields].join(" and ");
  return text === "" ? `${status}` : `${status} with ${text}`;
}

function judge({ status, body, json }: Wish, answer: Answered): Omit<CheckResult, "wanted"> {
  const wrong = Object.entries(json ?? {}).flatMap(([name, value]) => {
    const found = fieldOf(answer.body, name);
    return found === value ? [] : [`${name} ${found ?? "missing"}`];
  });
  const isRight =
    answer.status === status &&
    (body === undefined || answer.body.includes(body)) &&
    wrong.length === 0;
  const start = wrong.length > 0 ? oneLine(wrong.join(", ")) : lastLine(answer.body.slice(0, 200));
  const isBare = body === undefined && json === undefined;
  return {
    status: isRight ? "pass" : "fail",
    found: isBare ? `${answer.status}` : `${answer.status} with ${start}`,
  };
}

/** A field of a JSON text, as it is written there; undefined when there is none, or it is no scalar. */
function fieldOf(text: string, name: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  for (const part of name.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part))
      return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  if (typeof value === "string") return value;
  return typeof value === "object" && value !== null ? undefined : JSON.stringify(value);
}

async function named(
  { path, status, body, json }: HttpCheckInput,
  ctx: ReadContext<SshConnection>,
): Promise<Wish> {
  const texts = [body ?? "", ...Object.values(json ?? {})];
  if (!texts.some((text) => text.includes(PLACEHOLDER)))
    return { status, ...given({ body, json }) };
  const host = hostOf(ctx.connection, ctx.unit);
  const ran = await host.run(ctx, { text: INSPECT, values: { P: path } });
  if (ran.status !== 0) throw remoteFailed(host, "Reading the link", ran);
  const release = releaseOf(ran.stdout.trim()) ?? "";
  const fill = (text: string): string => text.replaceAll(PLACEHOLDER, release);
  const fields = Object.entries(json ?? {}).map(([name, text]) => [name, fill(text)] as const);
  return {
    status,
    ...given({
      body: body === undefined ? undefined : fill(body),
      json: json === undefined ? undefined : Object.fromEntries(fields),
    }),
  };
}

function given({
  body,
  json,
}: {
  readonly body: string | undefined;
  readonly json: Readonly<Record<string, string>> | undefined;
}): Pick<Wish, "body" | "json"> {
  return { ...(body === undefined ? {} : { body }), ...(json === undefined ? {} : { json }) };
}

function ask(url: URL, tunnel: Duplex, signal: AbortSignal): Promise<Answered> {
  const { promise, resolve, reject } = deferred<Answered>();
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
