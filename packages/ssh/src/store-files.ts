import { isUtf8 } from "node:buffer";
import { setTimeout as sleep } from "node:timers/promises";
import {
  isLockstepError,
  type LockstepError,
  type Stored,
  type TargetContext,
} from "@lockstep/plugin";
import { remoteFailed } from "./errors.ts";
import { newNonce } from "./framing.ts";
import type { Limits, Ran, RemoteHost } from "./host.ts";
import type { Script } from "./shell.ts";
import { storeRestless, storeUnfit } from "./store-errors.ts";
import { folderOfPrefix, type KeyPlace, keysOf, placeOfKey } from "./store-keys.ts";
import {
  AGAIN,
  GET,
  GET_LARGE,
  INLINE_BYTES,
  LIST,
  OPEN,
  PUT_LARGE,
  UNFIT,
  WRITE,
} from "./store-scripts.ts";

/** Milliseconds a small request may take. */
const REQUEST_MS = 20_000;

/** Milliseconds a value of 64 MiB may take. */
const TRANSFER_MS = 300_000;

/** Milliseconds to wait before a call is made again after its connection was lost. */
const PAUSES_MS = [200, 1000, 3000] as const;

/** How often a value that is replaced while it is read is read anew. */
const READS = 20;

/** Bytes of the largest value. */
const MOST_BYTES = 67_108_864;

/** Bytes of an answer that lists keys: a million of them fit. */
const LIST_BYTES = 134_217_728;

/** A value that was wanted: `tag` names what it replaces, and without a `body` the key is removed. */
export interface Wish {
  readonly body?: Uint8Array;
  readonly tag?: string;
}

/** The keys of a store as files of a host. Connects, and makes the folder, when first used. */
export class HostFiles {
  readonly #host: RemoteHost;
  readonly #path: string;
  readonly #context: TargetContext;
  #opened: Promise<void> | undefined;
  /** Writes whose end is known: their files aside are of no more use. */
  #done: readonly string[] = [];

  constructor(on: {
    readonly host: RemoteHost;
    readonly path: string;
    readonly context: TargetContext;
  }) {
    this.#host = on.host;
    this.#path = on.path;
    this.#context = on.context;
  }

  async read(key: string): Promise<Stored | undefined> {
    const place = placeOfKey(key);
    for (let attempt = 1; attempt <= READS; attempt += 1) {
      const { status, stdout } = await this.#again(() => this.#readSmall(place));
      if (status === AGAIN) continue;
      const end = stdout.indexOf("\n");
      if (end < 0) return undefined;
      const [tag = "", size = ""] = stdout.slice(0, end).split(" ");
      const text = stdout.slice(end + 1);
      const isWhole = text.length === Number(size);
      const body = isWhole ? text : await this.#again(() => this.#readLarge(place, tag));
      if (body?.length === Number(size)) return { body: Buffer.from(body, "latin1"), tag };
    }
    throw storeRestless(this.#host, key);
  }

  /** The new tag, or undefined when another one than the wanted was found; nothing is written then. */
  async write(key: string, { body, tag }: Wish): Promise<{ readonly tag: string } | undefined> {
    const nonce = newNonce();
    const bytes = Buffer.from(body ?? []);
    const isInline = bytes.length <= INLINE_BYTES && isText(bytes);
    const values = {
      ...placeOfKey(key),
      N: nonce,
      W: tag ?? "",
      S: body === undefined ? ".gone" : "",
      B: isInline ? bytes.toString("utf8") : "",
      SIZE: String(bytes.length),
    };
    const done = this.#done;
    const ended = await this.#again(async (lost) => {
      if (!isInline) await this.#putLarge(values, bytes);
      const ran = await this.#run(WRITE, { ...values, DONE: done.join(" ") });
      if (ran.status !== 0) throw remoteFailed(this.#host, "Writing a value", ran);
      const [verb = "", found = ""] = ran.stdout.trim().split(" ");
      // the first try may have won, and been replaced since: nobody can tell
      if (verb !== "won" && lost !== undefined && found.startsWith("v")) throw lost;
      return { isWon: verb === "won", found };
    });
    this.#done = [...this.#done.filter((one) => !done.includes(one)), nonce, `${nonce}.d`];
    return ended.isWon ? { tag: ended.found } : undefined;
  }

  async *list(prefix: string): AsyncGenerator<string> {
    const folder = folderOfPrefix(prefix);
    if (folder === undefined) return;
    const ran = await this.#again(() =>
      this.#run(LIST, { D: folder }, { outputBytes: LIST_BYTES }),
    );
    const lines = ran.stdout.split("\n");
    const isWhole = ran.status === 0 && lines.at(-2) === ".";
    if (!isWhole) throw remoteFailed(this.#host, "Listing keys", ran);
    yield* keysOf(lines.slice(0, -2)).filter((key) => key.startsWith(prefix));
  }

  async #readSmall(place: KeyPlace): Promise<Ran> {
    const ran = await this.#run(
      GET,
      { ...place },
      { outputBytes: 2 * INLINE_BYTES, asBytes: true },
    );
    if (ran.status !== 0 && ran.status !== AGAIN) {
      throw remoteFailed(this.#host, "Reading a value", ran);
    }
    return ran;
  }

  /** The value that has a tag, a character for each byte; undefined when another took its place. */
  async #readLarge({ K, L }: KeyPlace, tag: string): Promise<string | undefined> {
    const values = { K, L, T: tag, P: this.#path };
    const limits = { outputBytes: MOST_BYTES, asBytes: true, timeoutMs: TRANSFER_MS };
    const ran = await this.#host.exec(this.#context, { text: GET_LARGE, values }, limits);
    if (ran.status === AGAIN) return undefined;
    if (ran.status !== 0) throw remoteFailed(this.#host, "Reading a value", ran);
    return ran.stdout;
  }

  async #putLarge(
    { N, SIZE }: { readonly N: string; readonly SIZE: string },
    body: Uint8Array,
  ): Promise<void> {
    await this.#open();
    const script = { text: PUT_LARGE, values: { P: this.#path, N, SIZE } };
    const more = { body: once(body), timeoutMs: TRANSFER_MS };
    const ran = await this.#host.exec(this.#context, script, more);
    if (ran.status !== 0) throw remoteFailed(this.#host, "Sending a value", ran);
  }

  async #run(text: string, values: Script["values"], limits: Limits = {}): Promise<Ran> {
    await this.#open();
    const script = { text, values: { P: this.#path, ...values } };
    return this.#host.run(this.#context, script, { timeoutMs: REQUEST_MS, ...limits });
  }

  async #open(): Promise<void> {
    this.#opened ??= this.#prepare().catch((cause: unknown) => {
      this.#opened = undefined;
      throw cause;
    });
    return this.#opened;
  }

  async #prepare(): Promise<void> {
    const script = { text: OPEN, values: { P: this.#path, N: newNonce() } };
    const ran = await this.#host.run(this.#context, script, { timeoutMs: REQUEST_MS });
    if (ran.status === UNFIT) throw storeUnfit(this.#host);
    if (ran.status !== 0) throw remoteFailed(this.#host, "Making the folder of the store", ran);
  }

  /** Makes a call anew when its connection was lost; told how it was lost. The call must be one that may run twice. */
  async #again<T>(call: (lost: LockstepError | undefined) => Promise<T>): Promise<T> {
    let lost: LockstepError | undefined;
    for (const pause of PAUSES_MS) {
      try {
        return await call(lost);
      } catch (cause) {
        if (!isLockstepError(cause) || cause === lost || !MAY_PASS.includes(cause.code))
          throw cause;
        lost = cause;
        await sleep(pause * (0.5 + this.#context.random()));
      }
    }
    return call(lost);
  }
}

/** What a call may be made anew after. A host that is slow is not asked once more. */
const MAY_PASS: readonly string[] = ["SSH_CONNECTION_LOST", "SSH_HOST_UNREACHABLE"];

/** True for what a shell can hold in a variable. */
function isText(bytes: Buffer): boolean {
  return isUtf8(bytes) && !bytes.includes(0);
}

async function* once(body: Uint8Array): AsyncGenerator<Uint8Array> {
  yield body;
}
