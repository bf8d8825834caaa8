import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import type { Ran } from "./host.ts";
import { type Script, shellText } from "./shell.ts";

/** Name that nothing on the host can guess; 96 random bits as hex. */
export function newNonce(): string {
  return randomBytes(12).toString("hex");
}

/**
 * A script as one request to a shell that reads its commands from stdin.
 *
 * The script runs in a subshell with nothing on stdin, so that it can neither end the shell nor eat the
 * next request. What it prints on both streams is gathered and comes back in one piece between lines with
 * the nonce: a server that sends little pieces waits for an acknowledgement after each, 40 ms on Linux. A
 * shell reads a compound command to its end before it runs it: a request that was cut off never runs in part.
 */
export function requestText(script: Script, nonce: string): string {
  return [
    `printf '%s\\n' "$({ E=$( (`,
    shellText(script),
    `) </dev/null 2>&1 >&3 3>&-); printf '\\n%s %s\\n%s\\n%s' ${nonce} "$?" "$E" ${nonce}; } 3>&1)"`,
    "",
  ].join("\n");
}

/**
 * Command for a channel whose stdin carries first a script and then data.
 *
 * Constant but for the nonce, with no line break and nothing that csh or fish read differently. `read`
 * takes single bytes from a stream, so that the data stays there for the script. A script that was cut
 * off is never run, because its last line is missing.
 */
export function readerCommand(nonce: string): string {
  return reader(nonce, 'eval "$s";exit');
}

/**
 * The same for a way that loses the status, or tells it only once the output is closed: the command says it
 * itself, on stderr, behind everything that the script said there.
 */
export function trailerCommand(nonce: string): string {
  return reader(nonce, `(eval "$s");printf "\\n%s %s\\n" ${nonce} "$?" >&2;exit`);
}

function reader(nonce: string, run: string): string {
  const loop = `while IFS= read -r l;do if [ "$l" = ${nonce} ];then ${run};fi;s=$s$l$n;done;exit 75`;
  return `exec sh -c 'n=$(printf "\\nx");n=\${n%x};s=;${loop}'`;
}

/** The stderr of a {@link trailerCommand} without its last line, whose status is told as soon as it comes. */
export async function* withoutTrailer(
  stderr: AsyncIterable<Buffer>,
  nonce: string,
  tell: (status: number) => void,
): AsyncGenerator<Buffer> {
  let tail: Buffer = Buffer.alloc(0);
  for await (const chunk of stderr) {
    tail = Buffer.concat([tail, chunk]);
    const start = tail.indexOf(`\n${nonce} `);
    const end = start < 0 ? -1 : tail.indexOf("\n", start + 1);
    if (end >= 0) tell(Number(tail.toString("latin1", start + nonce.length + 2, end)));
    const sure = start < 0 ? Math.max(0, tail.length - LONGEST_LINE) : start;
    yield tail.subarray(0, sure);
    tail = end < 0 ? tail.subarray(sure) : tail.subarray(end + 1);
  }
  yield tail;
}

/** What a channel made by {@link readerCommand} is sent before the data. */
export function readerText(script: Script, nonce: string): string {
  return `${shellText(script)}${nonce}\n`;
}

/** Bytes of a stream up to a bound; the rest is counted and dropped. */
export class Kept {
  readonly #limit: number;
  readonly #chunks: Uint8Array[] = [];
  #size = 0;

  constructor(limitBytes: number) {
    this.#limit = limitBytes;
  }

  push(chunk: Uint8Array): void {
    const rest = this.#limit - this.#size;
    if (rest <= 0) return;
    this.#chunks.push(chunk.subarray(0, rest));
    this.#size += Math.min(rest, chunk.length);
  }

  text(encoding: BufferEncoding = "utf8"): string {
    return Buffer.concat(this.#chunks).toString(encoding);
  }
}

/** Longest line, in bytes, with the nonce: line breaks, nonce, space, status. */
const LONGEST_LINE = 32;

/** The answer to one request, read piece by piece. */
export class Answer {
  readonly #nonce: string;
  readonly #encoding: BufferEncoding;
  readonly #streams: readonly [Kept, Kept];
  #tail: Buffer = Buffer.alloc(0);
  #status: number | undefined;
  #hasEnded = false;

  constructor(nonce: string, limitBytes: number, encoding: BufferEncoding = "utf8") {
    this.#nonce = nonce;
    this.#encoding = encoding;
    this.#streams = [new Kept(limitBytes), new Kept(limitBytes)];
  }

  /** Takes what came; returns what is left of it once the answer has ended: the beginning of the next one. */
  push(chunk: Uint8Array): Buffer {
    this.#tail = Buffer.concat([this.#tail, chunk]);
    while (!this.#hasEnded && this.#takeLine()) {
      // one line ends stdout, the next one the answer
    }
    if (this.#hasEnded) return this.#tail.subarray(1);
    const start = this.#tail.indexOf(`\n${this.#nonce}`);
    this.#take(start < 0 ? Math.max(0, this.#tail.length - LONGEST_LINE) : start);
    return Buffer.alloc(0);
  }

  #takeLine(): boolean {
    const start = this.#tail.indexOf(`\n${this.#nonce}`);
    const end = start < 0 ? -1 : this.#tail.indexOf("\n", start + 1);
    if (end < 0) return false;
    const line = this.#tail.toString("latin1", start + 1 + this.#nonce.length, end);
    this.#take(start);
    // the line break before stderr belongs to the line, and may start the next one
    this.#tail = this.#tail.subarray(end - start);
    if (this.#status === undefined) this.#status = Number(line);
    else this.#hasEnded = true;
    return true;
  }

  #take(count: number): void {
    const [stdout, stderr] = this.#streams;
    (this.#status === undefined ? stdout : stderr).push(this.#tail.subarray(0, count));
    this.#tail = this.#tail.subarray(count);
  }

  /** The whole answer once it is there. */
  get ran(): Ran | undefined {
    if (!this.#hasEnded || this.#status === undefined) return undefined;
    const [stdout, stderr] = this.#streams;
    const text = stdout.text(this.#encoding);
    return { status: this.#status, stdout: text, stderr: stderr.text().slice(1) };
  }

  /** What came so far. */
  get heard(): string {
    const [stdout, stderr] = this.#streams;
    return `${stdout.text()}${stderr.text()}${this.#tail.toString("utf8")}`;
  }
}
