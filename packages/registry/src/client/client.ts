import type { TargetContext } from "@lockstep/plugin";
import type { Found } from "../auth/credentials.ts";
import { createLogin, type Login, type Scopes } from "../auth/login.ts";
import { rightsOf } from "../auth/rights.ts";
import { answerUnexpected, forbidden, type Refusal, rightMissing } from "../errors.ts";
import { follow } from "../net/follow.ts";
import type { Pace } from "../net/pace.ts";
import { complaintsOf, drop } from "../net/read.ts";
import type { Answer, Exchange, Transport } from "../net/transport.ts";
import { isSameOrigin, shownUrl } from "../net/url.ts";
import { nameOf, type Repository } from "../reference.ts";

/** One request to the API of a registry. */
export interface Call extends Pick<Exchange, "method" | "body" | "headers"> {
  readonly repository: Repository;
  /** Below `/v2/<path>/`, or a whole URL that the registry gave. */
  readonly at: string | URL;
  readonly query?: Readonly<Record<string, string | readonly string[]>>;
  /** Repositories that are read besides: the source of a mount. */
  readonly reads?: readonly Repository[];
  /** Asked with the right to push alone, whatever the method. */
  readonly pushOnly?: boolean;
}

/** Talks to registries. */
export interface Client {
  /**
   * Sends a request: logged in, redirected, tried again where that helps. Any status may come back but
   * 401, and 403 unless `mayBeForbidden`.
   *
   * @throws {LockstepError} `REGISTRY_LOGIN`, `REGISTRY_FORBIDDEN`, `REGISTRY_UNREACHABLE`, `REGISTRY_BUSY`
   */
  call(ctx: TargetContext, call: Call, options?: CallOptions): Promise<Answer>;
  /** The error for an answer that fits nowhere; reads its body. */
  unexpected(call: Call, answer: Answer): Promise<Error>;
  /** Waits before the caller tries again. */
  wait(ctx: TargetContext, answer: Answer): Promise<void>;
  urlOf(repository: Repository): URL;
  /** What the token for a repository allows; undefined where that cannot be told. */
  rightsIn(ctx: TargetContext, repository: Repository): Promise<readonly string[] | undefined>;
  /** Where the credentials for a repository come from. */
  originOf(repository: Repository): string;
  readonly transport: Transport;
  /** Mounts that were refused, by the repositories they lead to and from: they are not asked for again. */
  readonly refusedMounts: Set<string>;
}

/** How a call is treated. */
export interface CallOptions {
  readonly mayBeForbidden?: boolean;
  /** Sent once: the caller knows better when to begin again. */
  readonly once?: boolean;
  /** Called before the request is sent again; what it throws ends the call. */
  beforeRetry?(): Promise<void>;
}

/** What a client is made of. */
export interface ClientOptions {
  readonly transport: Transport;
  readonly pace: Pace;
  /** Registries that are asked over plain HTTP. */
  isPlain(host: string): boolean;
  find(ctx: TargetContext, repository: Repository): Promise<Found>;
  readonly trustedRealms: readonly string[];
  /** The repository that is pushed to; others are only read. */
  readonly pushed: Repository;
}

/** Makes a client. Asks nothing. */
export function createClient(options: ClientOptions): Client {
  const { transport, pace, pushed } = options;
  const urlOf = rootsOf(options);
  const loginFor = loginsOf(options, urlOf);

  const attempt = attemptsOf(options, { urlOf, loginFor });

  return {
    transport,
    refusedMounts: new Set(),
    urlOf,
    originOf: (repository) => loginFor(repository).origin,
    async rightsIn(ctx, repository) {
      const scopes = scopesOf({ method: "PUT", repository, at: "" }, pushed);
      return rightsOf(await loginFor(repository).header(ctx, scopes), repository.path);
    },
    wait: (ctx, answer) => pace.pause(ctx, answer),
    async call(ctx, call, { mayBeForbidden = false, once = false, beforeRetry } = {}) {
      const url = callUrl(call, urlOf(call.repository));
      let tries = 0;
      const send = async (): Promise<Answer> => {
        if (tries > 0) await beforeRetry?.();
        tries += 1;
        return attempt(ctx, call, url);
      };
      const answer = once ? await send() : await pace.steadily(ctx, url.host, send);
      if (answer.status !== 403 || mayBeForbidden) return answer;
      const complaints = await complaintsOf(answer);
      throw forbidden(
        { request: requestOf(call, url), status: 403, complaints },
        loginFor(call.repository).origin,
      );
    },
    async unexpected(call, answer) {
      return answerUnexpected(await refusalOf(call, answer));
    },
  };
}

/** One request, and again when the registry has said how to log in. */
function attemptsOf(
  { transport, pushed }: ClientOptions,
  {
    urlOf,
    loginFor,
  }: {
    readonly urlOf: (repository: Repository) => URL;
    readonly loginFor: (repository: Repository) => Login;
  },
): (ctx: TargetContext, call: Call, url: URL) => Promise<Answer> {
  return async (ctx, call, url) => {
    const isOurs = isSameOrigin(url, urlOf(call.repository));
    const login = loginFor(call.repository);
    const scopes = scopesOf(call, pushed);
    for (let tries = 0; ; tries += 1) {
      const authorization = isOurs ? await login.header(ctx, scopes) : undefined;
      const answer = await follow(transport, {
        method: call.method,
        url,
        headers: { ...call.headers, ...(authorization === undefined ? {} : { authorization }) },
        body: call.body,
        signal: ctx.signal,
      });
      if (answer.status !== 401 || !isOurs) return answer;
      const isWorthwhile =
        tries < 2 && (await login.learn(ctx, { refusal: answer, scopes, used: authorization }));
      await drop(answer);
      if (isWorthwhile) continue;
      const rights = rightsOf(authorization, call.repository.path);
      if (rights === undefined || rights.includes("pull")) throw login.refused(url, 401);
      throw rightMissing(nameOf(call.repository), "pull", { rights, origin: login.origin });
    }
  };
}

function rootsOf({ isPlain }: ClientOptions): (repository: Repository) => URL {
  return ({ host }) => new URL(`${isPlain(host) ? "http" : "https"}://${host}/v2/`);
}

/** One login for each registry. */
function loginsOf(
  { transport, pace, trustedRealms, find }: ClientOptions,
  urlOf: (repository: Repository) => URL,
): (repository: Repository) => Login {
  const logins = new Map<string, Login>();
  return (repository) => {
    const known = logins.get(repository.host);
    if (known !== undefined) return known;
    const login = createLogin({
      registry: urlOf(repository),
      trustedRealms,
      find: (ctx) => find(ctx, repository),
      send: (ctx, exchange) =>
        pace.steadily(ctx, exchange.url.host, () =>
          follow(transport, { ...exchange, signal: ctx.signal }),
        ),
    });
    logins.set(repository.host, login);
    return login;
  };
}

/** What to tell people of an answer. Reads its body. */
export async function refusalOf(call: Call, answer: Answer): Promise<Refusal> {
  const complaints = await complaintsOf(answer);
  return { request: requestOf(call, answer.url), status: answer.status, complaints };
}

function requestOf({ method }: Call, url: URL): string {
  return `${method} ${shownUrl(url)}`;
}

function callUrl({ at, repository, query = {} }: Call, root: URL): URL {
  const url = at instanceof URL ? new URL(at) : new URL(`${repository.path}/${at}`, root);
  for (const [name, values] of Object.entries(query)) {
    for (const value of typeof values === "string" ? [values] : values) {
      url.searchParams.append(name, value);
    }
  }
  return url;
}

/**
 * One scope for everything that is done to the pushed repository, so that one token does.
 *
 * @see distribution, "Token Scope Documentation"
 */
function scopesOf(
  { repository, reads = [], method, pushOnly = false }: Call,
  pushed: Repository,
): Scopes {
  const isPushed = repository.host === pushed.host && repository.path === pushed.path;
  const rights = isPushed
    ? method === "DELETE" && !pushOnly
      ? "pull,push,delete"
      : "pull,push"
    : "pull";
  return [
    `repository:${repository.path}:${rights}`,
    ...reads.map(({ path }) => `repository:${path}:pull`),
  ];
}
