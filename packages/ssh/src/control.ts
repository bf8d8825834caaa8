import type { Readable, Writable } from "node:stream";
import { asError, deferred } from "./deferred.ts";
import { Answer, newNonce, requestText } from "./framing.ts";
import type { Ran } from "./host.ts";
import type { Script } from "./shell.ts";

/** A shell on a host that reads commands from stdin. */
export interface Shell {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly closed: Promise<void>;
}

/** What is kept of an answer. */
export interface Keeping {
  /** Most bytes of each stream. */
  readonly outputBytes: number;
  /** How the bytes of stdout become text; default UTF-8. */
  readonly encoding?: BufferEncoding;
}

/** Characters kept of what is said outside of answers. */
const MOST_ASIDE = 4096;

/** Makes every account alike: plain messages, files that others may read, no surprises of `cd`. */
const PRELUDE = "LC_ALL=C; export LC_ALL; umask 022; unset CDPATH\n";

/** One shell, asked one request after the other. Whoever gives up on a request has to end the shell. */
export class ControlChannel {
  readonly #shell: Shell;
  #answer: Answer | undefined;
  /** What start-up files and broken logins say, outside of any answer. */
  #aside = "";
  #settle: { done(ran: Ran): void; lost(cause: unknown): void } | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #ended: { readonly cause: unknown } | undefined;
  readonly #end = deferred<void>();
  /** Resolves once the shell can no longer be asked. */
  readonly ended: Promise<void> = this.#end.promise;

  constructor(shell: Shell) {
    this.#shell = shell;
    shell.stdout.on("data", (chunk: Buffer) => this.#push(chunk));
    shell.stderr.on("data", (chunk: Buffer) => {
      this.#aside = `${this.#aside}${chunk.toString("utf8")}`.slice(-MOST_ASIDE);
    });
    for (const stream of [shell.stdin, shell.stdout]) {
      stream.on("error", (cause: unknown) => this.end(cause));
    }
    void shell.closed.then(() => this.end(new Error("the shell ended")));
    shell.stdin.write(PRELUDE);
  }

  /** True once the shell can no longer be asked. */
  get hasEnded(): boolean {
    return this.#ended !== undefined;
  }

  /** What came so far for the request that is under way, or was when the shell ended. */
  get heard(): string {
    return `${this.#answer?.heard ?? ""}${this.#aside}`;
  }

  /** Waits for its turn, sends one request and resolves with its answer; rejects when the shell ends first. */
  run(script: Script, kept: Keeping): Promise<Ran> {
    const turn = this.#last.then(() => this.#send(script, kept));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /** Rejects the request under way and all later ones. */
  end(cause: unknown): void {
    this.#ended ??= { cause };
    this.#end.resolve();
    this.#settle?.lost(this.#ended.cause);
    this.#settle = undefined;
  }

  async #send(script: Script, { outputBytes, encoding }: Keeping): Promise<Ran> {
    if (this.#ended !== undefined) throw asError(this.#ended.cause);
    const nonce = newNonce();
    const text = requestText(script, nonce);
    this.#answer = new Answer(nonce, outputBytes, encoding);
    const { promise, resolve, reject } = deferred<Ran>();
    this.#settle = { done: resolve, lost: (cause) => reject(asError(cause)) };
    this.#shell.stdin.write(text);
    return promise;
  }

  #push(chunk: Buffer): void {
    this.#answer?.push(chunk);
    const ran = this.#answer?.ran;
    if (ran === undefined) return;
    this.#answer = undefined;
    this.#settle?.done(ran);
    this.#settle = undefined;
  }
}
