import type { LockstepError, TargetContext } from "@lockstep/plugin";
import { loginMissing, loginRefused, realmRefused } from "../errors.ts";
import { drop, readBody } from "../net/read.ts";
import type { Answer, Exchange } from "../net/transport.ts";
import { parseChallenges } from "./challenge.ts";
import { basic, type Found } from "./credentials.ts";
import { isTrustedRealm } from "./realm.ts";

/** What a request needs to be allowed to do: `repository:acme/shop:pull,push`, the most important first. */
export type Scopes = readonly string[];

/** Logs in to one registry, as it asks for. */
export interface Login {
  /** What goes into `Authorization`, as far as it is known before the registry has asked. */
  header(ctx: TargetContext, scopes: Scopes): Promise<string | undefined>;
  /**
   * Learns from a 401. True when the same request may do better now.
   *
   * @throws {LockstepError} `REGISTRY_LOGIN`, `REGISTRY_REALM`, `REGISTRY_HELPER`, `REGISTRY_CREDENTIALS`
   */
  learn(ctx: TargetContext, refused: Refused): Promise<boolean>;
  /** Where the credentials came from. */
  readonly origin: string;
  /** What to say when they are not enough. */
  refused(url: URL, status: number): LockstepError;
}

/** A request that was answered 401. */
export interface Refused {
  readonly refusal: Answer;
  readonly scopes: Scopes;
  /** The `Authorization` it was sent with. */
  readonly used: string | undefined;
}

/** What a login needs of its surroundings. */
export interface LoginOptions {
  /** Root of the registry's API. */
  readonly registry: URL;
  /** Finds the credentials; asked at most once. */
  find(ctx: TargetContext): Promise<Found>;
  /** Sends a request without credentials of its own; passing troubles are its business. */
  send(ctx: TargetContext, exchange: Omit<Exchange, "signal">): Promise<Answer>;
  readonly trustedRealms: readonly string[];
}

type Scheme =
  | { readonly kind: "basic" }
  | { readonly kind: "bearer"; readonly realm: URL; readonly service: string | undefined };

interface Token {
  readonly text: string;
  /** Milliseconds since 1970. */
  readonly until: number;
}

/** Most bytes of a token's answer. */
const TOKEN_BYTES = 128 * 1024;
/** Seconds that a token lives when nobody says otherwise. */
const DEFAULT_LIFE = 60;

const NOBODY: Found = { credentials: undefined, origin: "nobody" };

function refusedTo(
  { origin, searched }: Found,
  { url, status, host }: { readonly url: URL; readonly status: number; readonly host: string },
): LockstepError {
  return searched === undefined
    ? loginRefused(url, status, origin)
    : loginMissing(url, status, { searched, host });
}

/** Starts knowing nothing. */
export function createLogin(options: LoginOptions): Login {
  const tokens = new Map<string, Promise<Token>>();
  let scheme: Scheme | undefined;
  let found: Promise<Found> | undefined;
  let known: Found = NOBODY;

  async function credentials(ctx: TargetContext): Promise<Found> {
    found ??= options.find(ctx);
    known = await found;
    return known;
  }

  /** Of all that ask at once, one fetches. */
  function fresh(ctx: TargetContext, scopes: Scopes): Promise<Token> {
    const fetching = credentials(ctx).then((all) =>
      fetchToken(ctx, { options, scheme, found: all }, scopes),
    );
    const key = scopes.join(" ");
    tokens.set(key, fetching);
    fetching.catch(() => tokens.get(key) === fetching && tokens.delete(key));
    return fetching;
  }

  async function token(ctx: TargetContext, scopes: Scopes): Promise<string> {
    const key = scopes.join(" ");
    const current = tokens.get(key) ?? fresh(ctx, scopes);
    const { text, until } = await current;
    if (until > ctx.now()) return text;
    if (tokens.get(key) === current) tokens.delete(key);
    return (await (tokens.get(key) ?? fresh(ctx, scopes))).text;
  }

  return {
    get origin() {
      return known.origin;
    },
    refused: (url, status) => refusedTo(known, { url, status, host: options.registry.host }),
    async header(ctx, scopes) {
      if (scheme === undefined) return undefined;
      return `${scheme.kind === "bearer" ? "Bearer" : "Basic"} ${await token(ctx, scopes)}`;
    },
    async learn(ctx, { refusal, scopes, used }) {
      const next = schemeOf(refusal);
      if (next === undefined) return false;
      const isNew = scheme === undefined || used === undefined;
      scheme = next;
      const { credentials: mine } = await credentials(ctx);
      if (next.kind === "basic") return isNew && mine !== undefined;

      const key = scopes.join(" ");
      const current = await tokens.get(key)?.catch(() => undefined);
      if (current !== undefined && used === `Bearer ${current.text}`) tokens.delete(key);
      return true;
    },
  };
}

function schemeOf({ header, url }: Answer): Scheme | undefined {
  const challenges = parseChallenges(header("www-authenticate"));
  for (const { scheme, parameters } of challenges) {
    const realm = scheme === "bearer" ? URL.parse(parameters["realm"] ?? "", url.href) : null;
    if (realm !== null) return { kind: "bearer", realm, service: parameters["service"] };
  }
  return challenges.some(({ scheme }) => scheme === "basic") ? { kind: "basic" } : undefined;
}

interface Asking {
  readonly options: LoginOptions;
  readonly scheme: Scheme | undefined;
  readonly found: Found;
}

async function fetchToken(ctx: TargetContext, asking: Asking, scopes: Scopes): Promise<Token> {
  const { scheme, found, options } = asking;
  const { credentials } = found;
  const forever = (text: string): Token => ({ text, until: Infinity });
  if (credentials?.kind === "bearer") return forever(credentials.token);
  if (scheme?.kind !== "bearer") {
    return forever(
      credentials?.kind === "password" ? basic(credentials.username, credentials.password) : "",
    );
  }
  const isTrusted = isTrustedRealm(options.registry, scheme.realm, options.trustedRealms);
  if (credentials !== undefined && !isTrusted)
    throw realmRefused(options.registry.host, scheme.realm);

  const asked = ctx.now();
  const answer = await askRealm(ctx, { ...asking, scheme }, scopes);
  if (answer.status !== 200) {
    await drop(answer);
    const { status } = answer;
    throw refusedTo(found, { url: scheme.realm, status, host: options.registry.host });
  }
  return readToken(ctx, answer, asked);
}

async function askRealm(
  ctx: TargetContext,
  { options, scheme, found }: Asking & { readonly scheme: Extract<Scheme, { kind: "bearer" }> },
  scopes: Scopes,
): Promise<Answer> {
  const { credentials } = found;
  const service = scheme.service === undefined ? {} : { service: scheme.service };
  if (credentials?.kind === "identity") {
    const form = new URLSearchParams({
      grant_type: "refresh_token",
      refresh_token: credentials.token,
      client_id: "lockstep",
      scope: scopes.join(" "),
      ...service,
    });
    const text = Buffer.from(form.toString());
    const posted = await options.send(ctx, {
      method: "POST",
      url: scheme.realm,
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: { size: text.length, open: () => once(text) },
    });
    if (posted.status !== 404 && posted.status !== 405) return posted;
    await drop(posted);
  }
  const url = new URL(scheme.realm);
  const name = credentials?.kind === "password" ? { account: credentials.username } : {};
  for (const [key, value] of Object.entries({ ...service, ...name, client_id: "lockstep" })) {
    url.searchParams.set(key, value);
  }
  for (const scope of scopes) url.searchParams.append("scope", scope);
  return options.send(ctx, { method: "GET", url, headers: loginHeaders(found) });
}

function loginHeaders({ credentials }: Found): Record<string, string> {
  if (credentials?.kind === "password") {
    return { authorization: `Basic ${basic(credentials.username, credentials.password)}` };
  }
  if (credentials?.kind !== "identity") return {};
  return { authorization: `Basic ${basic(credentials.username, credentials.token)}` };
}

/** @see distribution, "Token Authentication Specification": `token`, `access_token`, `expires_in` */
async function readToken(ctx: TargetContext, answer: Answer, asked: number): Promise<Token> {
  let value;
  try {
    value = JSON.parse((await readBody(answer, TOKEN_BYTES)).toString()) as Record<string, unknown>;
  } catch {
    value = {};
  }
  const text = value["token"] ?? value["access_token"];
  if (typeof text !== "string" || text === "") throw loginRefused(answer.url, 200, "its answer");
  ctx.mask(text);
  const said = Number(value["expires_in"]);
  const life = Number.isFinite(said) && said > 0 ? said : DEFAULT_LIFE;
  // renewed early, so that a large body does not start with a token that ends on the way
  return { text, until: asked + 1000 * (life - Math.min(10, life / 2)) };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
