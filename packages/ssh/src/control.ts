import type { Readable, Writable } from "node:stream";
import { isLockstepError } from "@lockstep/plugin";
import { asError, type Deferred, deferred } from "./deferred.ts";
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

/** Bytes kept of what start-up files print. */
const GREETING_BYTES = 4096;

/** A request to a shell, and what becomes of it. */
export interface Request {
  readonly text: string;
  readonly answer: Answer;
  readonly ran: Deferred<Ran>;
}

/** Makes a request that is not sent yet. */
export function newRequest(script: Script, { outputBytes, encoding }: Keeping): Request {
  const nonce = newNonce();
  const ran = deferred<Ran>();
  ran.promise.catch(() => undefined); // told to whoever asks
  return {
    text: requestText(script, nonce),
    answer: new Answer(nonce, outputBytes, encoding),
    ran,
  };
}

/** What a shell is told before anything else. */
export interface Opening {
  readonly text: string;
  /** The first is answered as soon as the shell can answer. */
  readonly requests: readonly [Request, ...Request[]];
}

/** Makes an opening, with requests that are known already. */
export function openingWith(more: readonly Request[]): Opening {
  const ready = newRequest({ text: ":", values: {} }, { outputBytes: GREETING_BYTES });
  const requests = [ready, ...more] as const;
  return { text: `${PRELUDE}${requests.map(({ text }) => text).join("")}`, requests };
}

/** What a shell needs to become a {@link ControlChannel}. */
export interface ControlSettings {
  readonly opening: Opening;
  /** True when the shell was sent it already. */
  readonly isTold: boolean;
  /** Why a shell ended that never answered anything, by what was heard of it. */
  readonly explain: (heard: string) => Promise<Error>;
}

/**
 * One shell, which runs one request after the other. Requests are sent at once, so that none waits for the answer
 * of the one before it. Whoever gives up on a request has to end the shell.
 */
export class ControlChannel {
  readonly #shell: Shell;
  readonly #opening: Opening;
  /** Sent and not answered yet. */
  readonly #requests: Request[];
  /** What start-up files and broken logins say, outside of any answer. */
  #aside = "";
  #failure: Promise<Error> | undefined;
  #isGreeted = false;
  readonly #end = deferred<void>();
  /** Resolves once the shell can no longer be asked. */
  readonly ended: Promise<void> = this.#end.promise;
  /** Resolves once the shell has answered; what start-up files print comes before that, and is dropped. */
  readonly ready: Promise<unknown>;

  readonly #explain: ControlSettings["explain"];

  constructor(shell: Shell, { opening, isTold, explain }: ControlSettings) {
    this.#shell = shell;
    this.#opening = opening;
    this.#requests = [...opening.requests];
    this.#explain = explain;
    shell.stdout.on("data", (chunk: Buffer) => this.#push(chunk));
    shell.stderr.on("data", (chunk: Buffer) => {
      this.#aside = `${this.#aside}${chunk.toString("utf8")}`.slice(-MOST_ASIDE);
    });
    for (const stream of [shell.stdin, shell.stdout]) {
      stream.on("error", (cause: unknown) => this.end(cause));
    }
    void shell.closed.then(() => this.end(new Error("the shell ended")));
    if (!isTold) shell.stdin.write(opening.text);
    this.ready = opening.requests[0].ran.promise;
  }

  /** True once the shell can no longer be asked. */
  get hasEnded(): boolean {
    return this.#failure !== undefined;
  }

  /** What came so far for the request that is under way, or was when the shell ended. */
  get #heard(): string {
    return `${this.#requests[0]?.answer.heard ?? ""}${this.#aside}`;
  }

  /** Sends one request and resolves with its answer; rejects when the shell ends first. */
  async run(script: Script, keeping: Keeping): Promise<Ran> {
    return this.ask(newRequest(script, keeping));
  }

  /** The same for a request that may have been part of the opening. */
  async ask(request: Request): Promise<Ran> {
    if (this.#opening.requests.includes(request)) return request.ran.promise;
    if (this.#failure !== undefined) throw await this.#failure;
    this.#requests.push(request);
    this.#shell.stdin.write(request.text);
    return request.ran.promise;
  }

  /** Rejects the requests under way and all later ones; the first cause counts. */
  end(cause: unknown): void {
    this.#failure ??= this.#fail(cause);
  }

  async #fail(cause: unknown): Promise<Error> {
    const isKnown = this.#isGreeted || isLockstepError(cause);
    const failure = isKnown ? asError(cause) : await this.#explain(this.#heard);
    for (const { ran } of this.#requests.splice(0)) ran.reject(failure);
    this.#end.resolve();
    return failure;
  }

  #push(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      const [request] = this.#requests;
      if (request === undefined) return;
      rest = request.answer.push(rest);
      const { ran } = request.answer;
      if (ran === undefined) return;
      this.#isGreeted = true;
      this.#requests.shift();
      request.ran.resolve(ran);
    }
  }
}
