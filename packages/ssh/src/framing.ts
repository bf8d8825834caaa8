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
 * next request. A line with the nonce ends the output on both streams, with the status on stdout. A shell
 * reads a compound command to its end before it runs it: a request that was cut off never runs in part.
 */
export function requestText(script: Script, nonce: string): string {
  return [
    "(",
    shellText(script),
    ") </dev/null",
    `printf '\\n%s %s\\n' ${nonce} "$?"`,
    `printf '\\n%s\\n' ${nonce} >&2`,
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
  const loop = `while IFS= read -r l;do if [ "$l" = ${nonce} ];then eval "$s";exit;fi;s=$s$l$n;done;exit 75`;
  return `exec sh -c 'n=$(printf "\\nx");n=\${n%x};s=;${loop}'`;
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

  text(): string {
    return Buffer.concat(this.#chunks).toString("utf8");
  }
}

/** Longest line, in bytes, that ends an answer: line breaks, nonce, space, status. */
const LONGEST_END = 32;

/** The answer to one request, gathered from one stream until the line with the nonce. */
export class Answer {
  readonly #nonce: string;
  readonly #kept: Kept;
  #tail: Buffer = Buffer.alloc(0);
  #found: string | undefined;

  constructor(nonce: string, limitBytes: number) {
    this.#nonce = nonce;
    this.#kept = new Kept(limitBytes);
  }

  push(chunk: Uint8Array): void {
    if (this.#found !== undefined) return;
    const bytes = Buffer.concat([this.#tail, chunk]);
    const start = bytes.indexOf(`\n${this.#nonce}`);
    const end = start < 0 ? -1 : bytes.indexOf("\n", start + 1);
    if (end >= 0) {
      this.#kept.push(bytes.subarray(0, start));
      this.#found = bytes.toString("latin1", start + 1 + this.#nonce.length, end).trim();
      return;
    }
    const keepFrom = Math.max(0, start < 0 ? bytes.length - LONGEST_END : start);
    this.#kept.push(bytes.subarray(0, keepFrom));
    this.#tail = bytes.subarray(keepFrom);
  }

  /** What followed the nonce: the status on stdout, nothing on stderr; undefined while the answer runs. */
  get end(): string | undefined {
    return this.#found;
  }

  /** The output, also as far as it has come. */
  text(): string {
    return this.#found === undefined
      ? `${this.#kept.text()}${this.#tail.toString("utf8")}`
      : this.#kept.text();
  }
}

/** The answer of both streams once both have ended. */
export function ranOf(stdout: Answer, stderr: Answer): Ran | undefined {
  if (stdout.end === undefined || stderr.end === undefined) return undefined;
  return { status: Number(stdout.end), stdout: stdout.text(), stderr: stderr.text() };
}
