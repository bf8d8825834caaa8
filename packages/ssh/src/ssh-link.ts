import { connect as dial, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { isLockstepError, type LockstepError, type TargetContext } from "@lockstep/plugin";
import type { AnyAuthMethod, Client, ClientChannel } from "ssh2";
import { ControlChannel } from "./control.ts";
import { abortOf, deferred } from "./deferred.ts";
import { authFailed, type Where } from "./errors.ts";
import { hostUnreachable, keyUnreadable, shellUnusable } from "./login-errors.ts";
import {
  type HostSettings,
  type Login,
  type LoginSettings,
  readLogin,
  signaturesFor,
} from "./login.ts";

/** Bytes kept of what start-up files print. */
const GREETING_BYTES = 4096;

/** A packet every 15 seconds; three without an answer end the connection. */
const KEEPALIVE = { keepaliveInterval: 15_000, keepaliveCountMax: 3 } as const;

/** One connection, as long as it lasts. */
export interface Link {
  readonly client: Client;
  readonly control: ControlChannel;
  /** Why the connection ended; pending as long as it is there. */
  readonly lost: Promise<Error>;
  /** Whether the connection keeps this process from ending; true at first. */
  hold(yes: boolean): void;
  /** Says goodbye, so that what was just sent still gets out, and waits for no answer. */
  giveUp(): void;
}

/** What a host needs to be connected. */
export interface SshHostSettings {
  readonly where: Where;
  readonly host: HostSettings;
  readonly login: LoginSettings;
  /**
   * True for a connection that nobody ends: it is there as long as the process, but does not keep it from
   * ending. It is not asked whether it still works either, so every call needs a time limit.
   */
  readonly isIdle?: boolean;
}

/**
 * Connects, logs in and starts the shell that all requests share.
 *
 * @param stop - Ends the try, however far it is.
 * @throws {LockstepError} `SSH_HOST_UNREACHABLE`, `SSH_HOST_KEY_…`, `SSH_AUTH_FAILED`, `SSH_SHELL_UNUSABLE`, or
 *   what reading the credentials throws
 */
export async function connect(
  settings: SshHostSettings,
  ctx: TargetContext,
  stop: AbortSignal,
): Promise<Link> {
  const { where, host, login } = settings;
  const credentials = await readLogin(where, { host, login }, ctx);
  // loading the library takes a while, and loading a config must not
  const { default: ssh2 } = await import("ssh2");
  const { key } = credentials;
  const parsed = key === undefined ? undefined : ssh2.utils.parseKey(key.text, key.passphrase);
  if (parsed instanceof Error) throw keyUnreadable(login.identity ?? "", parsed);

  const client = new ssh2.Client();
  // a socket of our own: the library does not destroy one whose other end is gone
  const socket = dial({ host: host.address, port: host.port, noDelay: true });
  const lost = closeOf(client);
  const stopped = abortOf(stop);
  const gone = lost.then((cause) => Promise.reject(cause));
  gone.catch(() => undefined);
  try {
    const logged = ready({ client, socket }, settings, credentials);
    await Promise.race([logged, stopped.promise]);
    // of a connection that ends here the library does not say that no shell will come
    const control = await Promise.race([startShell(client, where, lost), gone, stopped.promise]);
    void lost.then((cause) => control.end(cause));
    // without its shell a connection is of no use: the next call makes both anew
    void control.ended.then(() => client.end());
    const giveUp = (): void => {
      client.end();
      setTimeout(() => socket.destroy(), GOODBYE_MS).unref();
    };
    const hold = (yes: boolean): void => void (yes ? socket.ref() : socket.unref());
    return { client, control, lost, hold, giveUp };
  } catch (cause) {
    socket.destroy();
    throw isLockstepError(cause) ? cause : hostUnreachable(where, cause);
  } finally {
    stopped.forget();
  }
}

/** Milliseconds in which the last packets get out. */
const GOODBYE_MS = 250;

/** Milliseconds between the end of a shell and that of its connection, when both end together. */
const TOGETHER_MS = 100;

/** The shell, once it has answered; what start-up files print comes before the answer and is dropped. */
async function startShell(
  client: Client,
  where: Where,
  lost: Promise<Error>,
): Promise<ControlChannel> {
  const channel = await openChannel(client, "exec sh -s");
  const control = new ControlChannel(channel);
  try {
    await control.run({ text: ":", values: {} }, { outputBytes: GREETING_BYTES });
    return control;
  } catch {
    const cause = await Promise.race([lost, sleep(TOGETHER_MS)]);
    throw cause ?? shellUnusable(where, control.heard);
  }
}

function ready(
  { client, socket }: { readonly client: Client; readonly socket: Socket },
  { where, login, isIdle = false }: SshHostSettings,
  credentials: Login,
): Promise<void> {
  const { user, trust } = credentials;
  const methods = methodsOf(credentials).values();
  const { promise, resolve, reject } = deferred<void>();
  let refusal: LockstepError | undefined;
  client.once("ready", resolve);
  client.once("error", (cause: Error & { readonly level?: string }) => {
    if (refusal !== undefined) return reject(refusal);
    if (cause.level === "client-authentication") return reject(authFailed(where, user));
    return reject(hostUnreachable(where, cause));
  });
  client.once("close", () => reject(hostUnreachable(where, new Error("it closed the connection"))));
  try {
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
      authHandler: (_left, _partial, next) =>
        next((methods.next().value ?? false) as AnyAuthMethod),
    });
  } catch (cause) {
    reject(keyUnreadable(login.identity ?? "", cause));
  }
  return promise;
}

function methodsOf({ user, key, agent }: Login): AnyAuthMethod[] {
  const own: AnyAuthMethod[] =
    key === undefined
      ? []
      : [
          {
            type: "publickey",
            username: user,
            key: key.text,
            ...(key.passphrase === undefined ? {} : { passphrase: key.passphrase }),
          },
        ];
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

/** Starts a command; its streams are open when this resolves. */
export function openChannel(client: Client, command: string): Promise<ClientChannel> {
  const { promise, resolve, reject } = deferred<ClientChannel>();
  client.exec(command, (error, channel) =>
    error === undefined ? resolve(channel) : reject(error),
  );
  return promise;
}
