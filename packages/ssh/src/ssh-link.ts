import { isLockstepError, type LockstepError, type TargetContext } from "@lockstep/plugin";
import type { AnyAuthMethod, Client, ClientChannel } from "ssh2";
import { ControlChannel } from "./control.ts";
import { deferred, silence } from "./deferred.ts";
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
}

/** What a host needs to be connected. */
export interface SshHostSettings {
  readonly where: Where;
  readonly host: HostSettings;
  readonly login: LoginSettings;
}

/**
 * Connects, logs in and starts the shell that all requests share.
 *
 * @throws {LockstepError} `SSH_HOST_UNREACHABLE`, `SSH_HOST_KEY_…`, `SSH_AUTH_FAILED`, `SSH_SHELL_UNUSABLE`, or
 *   what reading the credentials throws
 */
export async function connect(
  settings: SshHostSettings,
  ctx: TargetContext,
  signal: AbortSignal,
): Promise<Link> {
  const { where, host, login } = settings;
  const credentials = await readLogin(where, { host, login }, ctx);
  // loading the library takes a while, and loading a config must not
  const { default: ssh2 } = await import("ssh2");
  const client = new ssh2.Client();
  const lost = closeOf(client);
  try {
    await ready(client, settings, credentials);
    client.setNoDelay(true); // every request is small and waited for
    const channel = await openChannel(client, "exec sh -s");
    const control = new ControlChannel(channel);
    void lost.then((cause) => control.end(cause));
    if (!(await answers(control, login.connectTimeoutMs, signal))) {
      throw shellUnusable(where, control.heard);
    }
    return { client, control, lost };
  } catch (cause) {
    client.destroy();
    throw isLockstepError(cause) ? cause : hostUnreachable(where, cause);
  }
}

/** Asks for nothing: the answer shows that a shell is there, and ends what start-up files print. */
async function answers(control: ControlChannel, ms: number, signal: AbortSignal): Promise<boolean> {
  const asked = control.run({ text: ":", values: {} }, GREETING_BYTES).then(
    ({ status }) => status === 0,
    () => false,
  );
  const overdue = silence(ms, signal);
  const answer = await Promise.race([asked, overdue.promise]);
  overdue.forget();
  return answer ?? false;
}

function ready(
  client: Client,
  { where, host, login }: SshHostSettings,
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
      host: host.address,
      port: host.port,
      username: user,
      readyTimeout: login.connectTimeoutMs,
      ...KEEPALIVE,
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
