import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Client, ClientChannel, ParsedKey } from "ssh2";
import { deferred } from "./deferred.ts";

/** What ssh2 1.17 has inside, as far as it is used to save round trips. */
interface Insides {
  readonly _remoteVer?: string;
  readonly _protocol: {
    readonly _handlers: Record<"SERVICE_ACCEPT" | "USERAUTH_FAILURE", Handler>;
    service(name: string): void;
    authPK(user: string, key: ParsedKey, algorithm?: string, sign?: Sign): void;
    exec(channel: number, command: string, wantsReply: boolean): void;
    channelData(channel: number, data: Buffer): void;
  };
}

/** How much may be sent in a channel before the server takes some of it. */
interface Outgoing {
  readonly outgoing: { window: number };
}

type Handler = (...args: readonly unknown[]) => void;

/** Signs data and hands the signature on. */
type Sign = (data: Buffer, done: (signature: Buffer) => void) => void;

/** Digest of each signature algorithm of RSA; those of other keys have one of their own. */
const HASHES: Readonly<Record<string, string>> = {
  "ssh-rsa": "sha1",
  "rsa-sha2-256": "sha256",
  "rsa-sha2-512": "sha512",
};

/**
 * Has keys of ours sign at once, instead of asking first whether the server would take them. Keys of an agent are
 * still asked about: they may ask a person or a token. Called after `connect`.
 *
 * @see RFC 4252, 7: the question without a signature is optional
 */
export function signAtOnce(client: Client): void {
  const { _protocol: protocol } = insidesOf(client);
  const ask = protocol.authPK.bind(protocol);
  protocol.authPK = (user, key, ...[algorithm, sign]) => {
    if (sign !== undefined || !key.isPrivateKey()) return ask(user, key, algorithm, sign);
    return ask(user, key, algorithm, (data, done) => done(signatureOf(key, data, algorithm)));
  };
}

function signatureOf(key: ParsedKey, data: Buffer, algorithm = ""): Buffer {
  const made: Buffer | Error = key.sign(data, HASHES[algorithm]);
  if (made instanceof Error) throw made;
  return made;
}

/** A command that is to be started as early as can be, and what it is to read first, asked when it is sent. */
export interface Wish {
  readonly command: string;
  readonly textOf?: (() => string) | undefined;
}

/** A command that was started while logging in. */
export interface Early {
  readonly channel: Promise<ClientChannel>;
  /** True when it was sent its text. */
  readonly isTold: boolean;
}

/** Number that OpenSSH gives the first channel of a connection. */
const FIRST = 0;

/** Bytes of a text that may go ahead: until somebody is logged in the server keeps what it gets. */
const MOST_EARLY = 16_384;

/**
 * Sends the first key, the wish for a channel, the command and what that is to read right behind the wish to log in,
 * without waiting for what the server says to each. For OpenSSH, which takes them in order; when it refuses the key
 * it says of the rest only that it does not know that yet, and the login goes on. Called after `connect`.
 *
 * The server has shown its key by then, and what it reads before it has let us in it does not use.
 *
 * @returns What gives the channel in which the command was started; nothing where that has to be done anew.
 * @see RFC 4253, 10: nobody has to wait for the answer to a service request
 */
export function hurryIn(client: Client, wish: Wish): () => Early | undefined {
  const { _protocol: protocol } = insidesOf(client);
  const { _handlers: handlers } = protocol;
  const { SERVICE_ACCEPT: logIn, USERAUTH_FAILURE: goOn } = handlers;
  const serve = protocol.service.bind(protocol);
  const execute = protocol.exec.bind(protocol);
  let early: Early | undefined;
  protocol.service = (name) => {
    serve(name);
    if (!isOpenssh(client)) return;
    handlers.SERVICE_ACCEPT = () => undefined;
    logIn(protocol, name);
    early = startBlind(client, wish);
  };
  handlers.USERAUTH_FAILURE = (...args) => {
    early = undefined;
    protocol.exec = execute;
    goOn(...args);
  };
  return () => early;
}

/** Starts a command in a channel whose number is not known yet. */
function startBlind(client: Client, { command, textOf }: Wish): Early {
  const { _protocol: protocol } = insidesOf(client);
  const execute = protocol.exec.bind(protocol);
  const body = Buffer.from(textOf?.() ?? "");
  const isTold = body.length > 0 && body.length <= MOST_EARLY;
  const channel = started(client, command).then((one) => {
    if (isTold) (one as unknown as Outgoing).outgoing.window -= body.length;
    return one;
  });
  channel.catch(() => undefined); // told to whoever takes it
  execute(FIRST, command, true);
  if (isTold) protocol.channelData(FIRST, body);
  // the library says it once more when it has the channel
  protocol.exec = () => {
    protocol.exec = execute;
  };
  return { channel, isTold };
}

/**
 * Has what is written in one go leave in one piece: the library writes three for each packet, of which two are of a
 * few bytes.
 */
export function sendTogether(socket: Socket): void {
  const write: (bytes: Uint8Array | string) => boolean = socket.write.bind(socket);
  let isGathering = false;
  socket.write = (bytes: Uint8Array | string) => {
    if (!isGathering) {
      isGathering = true;
      socket.cork();
      queueMicrotask(() => {
        isGathering = false;
        socket.uncork();
      });
    }
    return write(bytes);
  };
}

/** Tells whether the server says that it is OpenSSH. */
export function isOpenssh(client: Client): boolean {
  return insidesOf(client)["_remoteVer"]?.startsWith("OpenSSH_") === true;
}

/** Starts a command in a channel of its own. */
export function started(client: Client, command: string): Promise<ClientChannel> {
  const { promise, resolve, reject } = deferred<ClientChannel>();
  client.exec(command, (error, channel) =>
    error === undefined ? resolve(channel) : reject(error),
  );
  return promise;
}

function insidesOf(client: Client): Insides {
  return client as unknown as Insides;
}
