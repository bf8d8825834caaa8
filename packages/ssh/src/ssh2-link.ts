import { constants } from "node:os";
import type { Duplex } from "node:stream";
import { isLockstepError, type TargetContext } from "@lockstep/plugin";
import type { Client, ClientChannel } from "ssh2";
import { type ControlChannel, openingWith } from "./control.ts";
import { abortOf, deferred } from "./deferred.ts";
import type { Where } from "./errors.ts";
import { readerCommand } from "./framing.ts";
import { started } from "./hasten.ts";
import {
  type Channel,
  type Link,
  SHELL_COMMAND,
  type SshHostSettings,
  startShell,
  type Try,
} from "./link.ts";
import { hostUnreachable } from "./login-errors.ts";
import { patiently } from "./patience.ts";
import type { Route, Traveller } from "./reach.ts";
import { routeTo } from "./route.ts";
import { type Client2, logIn } from "./ssh2-client.ts";

/**
 * Connects, logs in and starts the shell that all requests share; it may not have answered yet.
 *
 * @throws {LockstepError} `SSH_HOST_UNREACHABLE`, `SSH_HOST_KEY_…`, `SSH_AUTH_FAILED`, or what finding
 *   the way or reading the credentials throws
 */
export async function connectSsh2(
  settings: SshHostSettings,
  ctx: TargetContext,
  { stop, looks }: Try,
): Promise<Link> {
  const { where, host, login } = settings;
  const traveller = { where, login, ctx, stop };
  const route = await routeTo(host, { where, login }, ctx);
  let opening = openingWith([]);
  const textOf = (): string => (opening = openingWith(looks)).text;
  const entry = await enter({ route, settings, command: SHELL_COMMAND, textOf }, traveller);
  const { client, lost, hold, giveUp, leave } = entry;
  const stopped = abortOf(stop);
  const gone = lost.then((cause) => Promise.reject(cause));
  gone.catch(() => undefined);
  try {
    // of a connection that ends here the library does not say that no shell will come
    const isTold = entry.early?.isTold === true;
    const shell = opened(entry, SHELL_COMMAND).then((one) =>
      startShell(one, where, { lost, opening, isTold }),
    );
    shell.catch(() => undefined);
    const control = await Promise.race([shell, gone, stopped.promise]);
    void lost.then((cause) => control.end(cause));
    // without its shell a connection is of no use: the next call makes both anew
    void control.ended.then(() => client.end());
    void endUnlessReady(control, where, stop);
    const open = async (nonce: string): Promise<Channel> => {
      await control.ready;
      const command = readerCommand(nonce);
      return opened({ client }, command).catch(async (cause: unknown) => {
        if (!isRefusedChannel(cause)) throw cause;
        const fresh = { ...traveller, stop: AbortSignal.timeout(login.connectTimeoutMs) };
        return openApart(await enter({ route, settings, command }, fresh), command);
      });
    };
    const openSpare = async (nonce: string): Promise<Channel> =>
      opened({ client }, readerCommand(nonce));
    const ways = { open, openSpare, forward: async (to: Door) => forward(client, to) };
    return { control, ...ways, lost, hold, giveUp, ...(leave && { leave }) };
  } catch (cause) {
    giveUp();
    throw isLockstepError(cause) ? cause : hostUnreachable(where, cause);
  } finally {
    stopped.forget();
  }
}

/** A shell may be asked before it has answered anything; one that never does is given up in time. */
async function endUnlessReady(
  control: ControlChannel,
  where: Where,
  stop: AbortSignal,
): Promise<void> {
  const stopped = abortOf(stop);
  try {
    await Promise.race([control.ready, stopped.promise]);
  } catch (cause) {
    control.end(hostUnreachable(where, cause));
  } finally {
    stopped.forget();
  }
}

/** A login, and the command that is to be started in it. */
interface Wanted {
  readonly route: Route;
  readonly settings: SshHostSettings;
  readonly command: string;
  /** What the command is sent first, asked when it is sent. */
  readonly textOf?: () => string;
}

/** Logs in; a server that hangs up on too many callers is asked again a little later. */
async function enter(
  { route: { jumps, end }, settings: { gateway, isIdle }, command, textOf }: Wanted,
  traveller: Traveller,
): Promise<Client2> {
  return patiently(traveller, () =>
    gateway.atDoor(end, traveller, async () => {
      const dial = async (): Promise<Duplex> => gateway.dial(jumps, end, traveller);
      return logIn({ endpoint: end, dial, isIdle, early: { command, textOf } }, traveller);
    }),
  );
}

/** True when the server allows no further session on the connection (`MaxSessions`). */
function isRefusedChannel(cause: unknown): boolean {
  return cause instanceof Error && "reason" in cause;
}

/** A command on a connection of its own, which ends with it. */
async function openApart(entry: Client2, command: string): Promise<Channel> {
  const channel = await opened(entry, command);
  void channel.closed.then(entry.giveUp);
  return channel;
}

/** The command that a login was made for. */
async function opened(
  { client, early }: Pick<Client2, "client" | "early">,
  command: string,
): Promise<Channel> {
  return channelOf(client, await (early?.channel ?? started(client, command)));
}

function channelOf(client: Client, stream: ClientChannel): Channel {
  const status = deferred<number>();
  const closed = deferred<void>();
  status.promise.catch(() => undefined);
  stream.on("exit", (code: number | null, signal?: string) =>
    status.resolve(code ?? statusOfSignal(signal)),
  );
  stream.on("error", (cause: Error) => status.reject(cause));
  stream.on("close", () => {
    status.reject(new Error("the command ended without a status"));
    closed.resolve();
  });
  return {
    stdin: stream.stdin,
    stdout: stream,
    stderr: stream.stderr,
    status: status.promise,
    closed: closed.promise,
    stop: () => kill(client, stream),
    close: () => stream.close(),
  };
}

/** What ssh2 1.17 has inside. */
interface Insides {
  readonly outgoing: { readonly id: number; readonly state: string };
  readonly _protocol: { signal(channel: number, name: string): void };
}

/**
 * Ends a command and all it started. The library's own `signal` says nothing once stdin was closed, which it
 * is as soon as a script was sent.
 */
function kill(client: Client, stream: ClientChannel): void {
  const { outgoing } = stream as unknown as Insides;
  if (outgoing.state !== "open" && outgoing.state !== "eof") return;
  (client as unknown as Insides)["_protocol"].signal(outgoing.id, "KILL");
}

/** As shells count it: 128 and the number of the signal. Names come with SIG or, as RFC 4254 has it, without. */
function statusOfSignal(name: string | undefined): number {
  const numbers: Readonly<Record<string, number>> = constants.signals;
  return 128 + (numbers[`SIG${name?.replace(/^SIG/, "") ?? ""}`] ?? 127);
}

/** Where a connection from the host leads. */
interface Door {
  readonly address: string;
  readonly port: number;
}

function forward(client: Client, { address, port }: Door): Promise<Duplex | "refused" | "denied"> {
  const { promise, resolve } = deferred<Duplex | "refused" | "denied">();
  client.forwardOut("127.0.0.1", 0, address, port, (error, channel) => {
    if (error === undefined) return resolve(channel);
    // RFC 4254, 5.1: 1 is "administratively prohibited", 2 "connect failed"
    return resolve("reason" in error && error.reason === 1 ? "denied" : "refused");
  });
  return promise;
}
