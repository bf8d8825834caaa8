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

/** A request that was sent and is not answered yet. */
interface Request {
  readonly answer: Answer;
  readonly ran: Deferred<Ran>;
}

/**
 * One shell, which runs one request after the other. Requests are sent at once, so that none waits for the answer
 * of the one before it. Whoever gives up on a request has to end the shell.
 */
export class ControlChannel {
  readonly #shell: Shell;
  readonly #requests: Request[] = [];
  /** What start-up files and broken logins say, outside of any answer. */
  #aside = "";
  #failure: Promise<Error> | undefined;
  #isGreeted = false;
  readonly #end = deferred<void>();
  /** Resolves once the shell can no longer be asked. */
  readonly ended: Promise<void> = this.#end.promise;
  /** Resolves once the shell has answered; what start-up files print comes before that, and is dropped. */
  readonly ready: Promise<unknown>;

  readonly #explain: (heard: string) => Promise<Error>;

  /** @param explain - Why a shell ended that never answered anything, by what was heard of it. */
  constructor(shell: Shell, explain: (heard: string) => Promise<Error>) {
    this.#shell = shell;
    this.#explain = explain;
    shell.stdout.on("data", (chunk: Buffer) => this.#push(chunk));
    shell.stderr.on("data", (chunk: Buffer) => {
      this.#aside = `${this.#aside}${chunk.toString("utf8")}`.slice(-MOST_ASIDE);
    });
    for (const stream of [shell.stdin, shell.stdout]) {
      stream.on("error", (cause: unknown) => this.end(cause));
    }
    void shell.closed.then(() => this.end(new Error("the shell ended")));
    shell.stdin.write(PRELUDE);
    this.ready = this.run({ text: ":", values: {} }, { outputBytes: GREETING_BYTES });
    this.ready.catch(() => undefined); // told to whoever asks something
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
  async run(script: Script, { outputBytes, encoding }: Keeping): Promise<Ran> {
    if (this.#failure !== undefined) throw await this.#failure;
    const nonce = newNonce();
    const text = requestText(script, nonce);
    const request = { answer: new Answer(nonce, outputBytes, encoding), ran: deferred<Ran>() };
    this.#requests.push(request);
    this.#shell.stdin.write(text);
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
