import { once } from "node:events";
import { type Duplex, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { isLockstepError, type TargetContext } from "@lockstep/plugin";
import { type Keeping, newRequest, type Request } from "./control.ts";
import { abortOf, asError } from "./deferred.ts";
import { connectionLost, timedOut } from "./errors.ts";
import { Kept, readerText } from "./framing.ts";
import type { Limits, Ran, RemoteHost } from "./host.ts";
import type { Channel, Connect, Link, SshHostSettings, Try } from "./link.ts";
import { connectOpenssh } from "./openssh-link.ts";
import type { Script } from "./shell.ts";
import { Spare } from "./spare.ts";
import { connectSsh2 } from "./ssh2-link.ts";

/** Bytes kept of what a command prints. */
const OUTPUT_BYTES = 65_536;

/** Milliseconds a channel may stay open after its command ended, held by what the command left behind. */
const LINGER_MS = 250;

/** A host that is reached over a {@link Link}. Opens nothing until it is first asked. */
export function sshHost(settings: SshHostSettings): RemoteHost {
  return new SshHost(settings);
}

const CONNECT: Readonly<Record<"ssh2" | "openssh", Connect>> = {
  ssh2: connectSsh2,
  openssh: connectOpenssh,
};

class SshHost implements RemoteHost {
  readonly name: string;
  readonly place: string;
  readonly #settings: SshHostSettings;
  readonly #end = new AbortController();
  #link: Promise<Link> | undefined;
  /** The link once it is there. */
  #open: Link | undefined;
  /** What changes nothing and may be asked while logging in. */
  #looks: Request[] = [];
  /** Calls under way. */
  #calls = 0;
  readonly #spare = new Spare();

  constructor(settings: SshHostSettings) {
    this.name = settings.where.name;
    this.place = settings.where.place;
    this.#settings = settings;
  }

  async run(ctx: TargetContext, script: Script, limits: Limits = {}): Promise<Ran> {
    const request = newRequest(script, keeping(limits));
    if (limits.isLook === true && this.#open === undefined) this.#looks.push(request);
    return this.#bounded(ctx, limits, async ({ control }) => control.ask(request));
  }

  async runIfOpen(script: Script): Promise<Ran | undefined> {
    return this.#open?.control.run(script, keeping({})).catch(() => undefined);
  }

  async runLast(script: Script): Promise<void> {
    const ran = this.runIfOpen(script);
    if (this.#open?.leave === undefined) await ran;
  }

  prepare(ctx: TargetContext, count: number): void {
    const prepared = this.#bounded(ctx, {}, async (link) => this.#spare.prepare(link, count));
    prepared.catch(() => undefined); // whoever asks next is told
  }

  async exec(
    ctx: TargetContext,
    script: Script,
    { body, ...limits }: Limits & { readonly body?: AsyncIterable<Uint8Array> } = {},
  ): Promise<Ran> {
    return this.#bounded(ctx, limits, async (link, signal) => {
      const { nonce, channel: opening } = this.#spare.take(link);
      const channel = await opening;
      if (signal.aborted) {
        channel.close();
        throw asError(signal.reason);
      }
      const ended = endOf(channel, keeping(limits));
      // nobody waits for it when sending failed
      ended.catch(() => undefined);
      const stop = (): void => channel.stop();
      signal.addEventListener("abort", stop);
      try {
        const failure = await feed(channel, bodyOf(readerText(script, nonce), body));
        // a refused upload fails while it is sent: what the command said is the better reason
        if (isLockstepError(failure)) throw failure;
        return await ended;
      } finally {
        signal.removeEventListener("abort", stop);
        channel.close();
      }
    });
  }

  async tunnel(
    ctx: TargetContext,
    to: { readonly address: string; readonly port: number },
  ): Promise<Duplex | "refused" | "denied"> {
    return this.#bounded(ctx, {}, async (link) => link.forward(to));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new Error("the run ended"));
    const link = await this.#link?.catch(() => undefined);
    this.#forget();
    link?.hold(true);
    if (link?.leave === undefined) link?.giveUp();
    else link.leave();
    await link?.lost;
  }

  /** Runs one call on the connection; ends the connection when the call has to be given up. */
  async #bounded<T>(
    ctx: TargetContext,
    { timeoutMs }: Limits,
    make: (link: Link, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { where } = this.#settings;
    const signals = timeoutMs === undefined ? [] : [AbortSignal.timeout(timeoutMs)];
    const signal = AbortSignal.any([ctx.signal, ...signals]);
    const gaveUp = abortOf(signal);
    this.#calls += 1;
    try {
      const connecting = this.#connected(ctx);
      connecting.catch(() => undefined);
      const link = await Promise.race([connecting, gaveUp.promise]);
      link.hold(true);
      const call = make(link, signal);
      call.catch(() => undefined);
      const lost = link.lost.then((cause) => Promise.reject(connectionLost(where, cause)));
      lost.catch(() => undefined);
      return await Promise.race([call, lost, gaveUp.promise]).catch((cause: unknown) => {
        // what is still under way can no longer be told from what comes next
        if (signal.aborted) {
          this.#forget();
          link.giveUp();
        }
        throw isLockstepError(cause) ? cause : connectionLost(where, cause);
      });
    } catch (cause) {
      if (ctx.signal.aborted) throw asError(ctx.signal.reason);
      if (signal.aborted) throw timedOut(where, "an answer", cause);
      throw cause;
    } finally {
      gaveUp.forget();
      this.#calls -= 1;
      if (this.#calls === 0 && this.#settings.isIdle === true) this.#open?.hold(false);
    }
  }

  #connected(ctx: TargetContext): Promise<Link> {
    if (this.#open?.control.hasEnded === true) this.#forget();
    if (this.#link !== undefined) return this.#link;
    const { connectTimeoutMs } = this.#settings.login;
    const stop = AbortSignal.any([this.#end.signal, AbortSignal.timeout(connectTimeoutMs)]);
    this.#link = this.#connect(ctx, { stop, looks: this.#looks });
    return this.#link;
  }

  async #connect(ctx: TargetContext, one: Try): Promise<Link> {
    try {
      const connect = CONNECT[this.#settings.login.transport];
      this.#open = await connect(this.#settings, ctx, one);
      this.#looks = [];
      return this.#open;
    } catch (cause) {
      this.#forget();
      throw cause;
    }
  }

  /** The next call connects anew. */
  #forget(): void {
    this.#link = undefined;
    this.#open = undefined;
    this.#looks = [];
  }
}

/** Sends a script and its data; the error instead of throwing it, because the command's own words come first. */
async function feed(channel: Channel, body: AsyncIterable<Uint8Array>): Promise<unknown> {
  try {
    await pipeline(Readable.from(body, { objectMode: false }), channel.stdin);
    return undefined;
  } catch (cause) {
    return cause;
  }
}

async function* bodyOf(
  text: string,
  body: AsyncIterable<Uint8Array> | undefined,
): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
  if (body !== undefined) yield* body;
}

function keeping({ outputBytes = OUTPUT_BYTES, asBytes = false }: Limits): Keeping {
  return { outputBytes, encoding: asBytes ? "latin1" : "utf8" };
}

/** Resolves with the status of a command; rejects when the channel ends without one. */
async function endOf(channel: Channel, { outputBytes, encoding }: Keeping): Promise<Ran> {
  const stdout = new Kept(outputBytes);
  const stderr = new Kept(outputBytes);
  channel.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  channel.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
  const streams = [channel.stdout, channel.stderr].map((stream) => once(stream, "end"));
  const drained = Promise.allSettled(streams);
  const status = await channel.status;
  // a service that the command left running may hold the output open for ever
  await Promise.race([drained, channel.closed, sleep(LINGER_MS, undefined, { ref: false })]);
  return { status, stdout: stdout.text(encoding), stderr: stderr.text() };
}
