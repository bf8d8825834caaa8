import { Socket } from "node:net";
import { isLockstepError, type LockstepError } from "@lockstep/plugin";
import type { AnyAuthMethod, Client } from "ssh2";
import { abortOf, deferred } from "./deferred.ts";
import { authFailed } from "./errors.ts";
import { type Early, hurryIn, isOpenssh, sendTogether, signAtOnce, type Wish } from "./hasten.ts";
import { type Offer, offerOf } from "./identities.ts";
import { hostUnreachable } from "./login-errors.ts";
import { type Login, readLogin, signaturesFor } from "./login.ts";
import type { Endpoint, MaybeSocket, Traveller } from "./reach.ts";

/** A packet every 15 seconds; three without an answer end the connection. */
const KEEPALIVE = { keepaliveInterval: 15_000, keepaliveCountMax: 3 } as const;

/** Milliseconds in which the last packets get out. */
const GOODBYE_MS = 250;

/** A login of ssh2, as long as it lasts. */
export interface Client2 {
  readonly client: Client;
  /** What was started while logging in, where that was possible. */
  readonly early?: Early | undefined;
  readonly lost: Promise<Error>;
  hold(yes: boolean): void;
  giveUp(): void;
  /** Absent where the server may drop what it got right before. */
  readonly leave?: () => void;
}

/** A server, and how it is connected to. */
export interface Entrance {
  readonly endpoint: Endpoint;
  readonly dial: () => Promise<MaybeSocket>;
  /** True for a connection that is not to be asked whether it still works. */
  readonly isIdle?: boolean | undefined;
  /** Started as early as the server lets it. */
  readonly early?: Wish;
}

/**
 * Connects and logs in.
 *
 * @throws {LockstepError} `SSH_HOST_UNREACHABLE`, `SSH_HOST_KEY_…`, `SSH_AUTH_FAILED`, or what reading the
 *   credentials throws
 */
export async function logIn(entrance: Entrance, traveller: Traveller): Promise<Client2> {
  const { endpoint } = entrance;
  const { where, login, ctx } = traveller;
  const { passphrase } = login;
  const credentials = await readLogin(where, { endpoint, passphrase }, ctx);
  // loading the library takes a while, and loading a config must not
  const { default: ssh2 } = await import("ssh2");
  const offer = await offerOf(where, { login: credentials, endpoint }, ssh2);
  const wish = isSure(offer) ? entrance.early : undefined;
  const { isIdle } = entrance;
  const attempt = { credentials, offer, traveller, isIdle, wish };
  const socket = await entrance.dial();
  return shakeHands(new ssh2.Client(), socket, attempt);
}

/** Destroys the connection when it fails. */
async function shakeHands(client: Client, socket: MaybeSocket, attempt: Attempt): Promise<Client2> {
  const { where, stop } = attempt.traveller;
  const stopped = abortOf(stop);
  const lost = closeOf(client);
  // the library does not look at a connection that failed before it was given it
  const broken = deferred<never>();
  broken.promise.catch(() => undefined);
  socket.on("error", (cause) => broken.reject(cause));
  try {
    const entered = ready(client, socket, attempt);
    const early = await Promise.race([entered, stopped.promise, broken.promise]);
    const end = (say: () => void): void => {
      // once it is on its way nothing is waited for; a channel through another host ends by being answered
      if (socket instanceof Socket) socket.once("finish", () => socket.destroy());
      say();
      setTimeout(() => socket.destroy(), GOODBYE_MS).unref();
    };
    return {
      client,
      early: early(),
      lost,
      hold: (yes) => void (yes ? socket.ref?.() : socket.unref?.()),
      giveUp: () => end(() => client.end()),
      // OpenSSH reads what comes before the end of a connection, but of what comes before a goodbye it drops what it
      // has not handed on; what goes through another host ends with the goodbye to that one
      ...(socket instanceof Socket && isOpenssh(client)
        ? { leave: () => end(() => socket.end()) }
        : {}),
    };
  } catch (cause) {
    socket.destroy();
    throw isLockstepError(cause) ? cause : hostUnreachable(where, cause);
  } finally {
    stopped.forget();
  }
}

/** Tells whether the first signature is the right one, whatever the server says: RSA has several. */
function isSure({ keys: [first] }: Offer): boolean {
  return first !== undefined && first.type !== "ssh-rsa";
}

interface Attempt {
  readonly credentials: Login;
  readonly offer: Offer;
  readonly traveller: Traveller;
  readonly isIdle?: boolean | undefined;
  readonly wish?: Wish | undefined;
}

/** Resolves with what tells what was started meanwhile. */
async function ready(
  client: Client,
  socket: MaybeSocket,
  attempt: Attempt,
): Promise<() => Early | undefined> {
  const { credentials, offer, traveller, isIdle = false } = attempt;
  const { where, login } = traveller;
  const { user, trust } = credentials;
  const methods = methodsOf(user, offer).values();
  const { promise, resolve, reject } = deferred<void>();
  promise.catch(() => undefined);
  const greeting = greetingOf(socket);
  if (socket instanceof Socket) sendTogether(socket);
  let refusal: LockstepError | undefined;
  client.once("ready", resolve);
  client.once("error", (cause: Error & { readonly level?: string }) => {
    if (refusal !== undefined) return reject(refusal);
    if (cause.level === "client-authentication") return reject(authFailed(where, user));
    return reject(hostUnreachable(where, greeting() ?? cause));
  });
  client.once("close", () => reject(hostUnreachable(where, new Error("it closed the connection"))));
  client.connect({
    sock: socket,
    username: user,
    readyTimeout: login.connectTimeoutMs,
    ...(isIdle ? {} : KEEPALIVE),
    algorithms: { serverHostKey: signaturesFor(trust) },
    hostVerifier(shown: Buffer): boolean {
      refusal = trust.refuse(shown);
      return refusal === undefined;
    },
    // keys only, never a password, and no probe without one: hosts count failed tries
    authHandler: (_left, _partial, next) => next((methods.next().value ?? false) as AnyAuthMethod),
  });
  signAtOnce(client);
  const early = attempt.wish === undefined ? () => undefined : hurryIn(client, attempt.wish);
  await promise;
  return early;
}

/** What a server says instead of who it is, when it hangs up on purpose. */
function greetingOf(socket: MaybeSocket): () => Error | undefined {
  let said = "";
  // listening makes the bytes flow, and the library listens from the same moment on
  queueMicrotask(() =>
    socket.once("data", (chunk: Buffer) => {
      said = chunk.toString("latin1").slice(0, 200).trim();
    }),
  );
  return () => (said === "" || said.startsWith("SSH-") ? undefined : new Error(said));
}

function methodsOf(user: string, { keys, agent }: Offer): AnyAuthMethod[] {
  const own = keys.map(({ text, passphrase }): AnyAuthMethod => ({
    type: "publickey",
    username: user,
    key: text,
    ...(passphrase === undefined ? {} : { passphrase }),
  }));
  return agent === undefined ? own : [...own, { type: "agent", username: user, agent }];
}

function closeOf(client: Client): Promise<Error> {
  const { promise, resolve } = deferred<Error>();
  let last: Error | undefined;
  client.on("error", (cause) => {
    last = cause;
  });
  client.once("close", () => resolve(last ?? new Error("it closed the connection")));
  return promise;
}
