import { createHash, randomBytes } from "node:crypto";
import type { Json } from "@lockstep/plugin";

/** All that the runner takes from the world beside targets and store, so that tests can script it. */
export interface Surroundings {
  /** Milliseconds since 1970, UTC; may jump. */
  now(): number;
  /** Milliseconds from any start; never jumps back. */
  monotonic(): number;
  /** Uniform in [0, 1). */
  random(): number;
  /** Fresh hex digits, `length` of them, even. */
  hex(length: number): string;
  /** Waits; rejects with the signal's reason when it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Who runs this, for the lease and the history. */
  readonly who: Actor;
}

/** Who started a run, as others will read it. */
export interface Actor {
  readonly user: string;
  readonly machine: string;
  /** Page of the CI job, where there is one. */
  readonly url?: string;
}

/** Who holds, or held, the lease of an environment. */
export interface Holder extends Actor {
  readonly run: string;
  /** RFC 3339, UTC, by the holder's clock; for people only. */
  readonly since: string;
  /** What the store's `presence` needs to prove that the holder is gone. */
  readonly process: Json;
}

/** The real world. */
export function realSurroundings(
  env: Readonly<Record<string, string | undefined>>,
  who: Actor,
): Surroundings {
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    random: Math.random,
    hex: (length) => randomBytes(length / 2).toString("hex"),
    sleep,
    env,
    who,
  };
}

/** Not the one of `node:timers`: that makes an error with a stack for every call that ends in time. */
function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted === true) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}

/** `sha256:` and 64 hex digits of the bytes of `text`. */
export function digestOf(text: string | Uint8Array): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}
