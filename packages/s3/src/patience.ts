import { setTimeout as sleep } from "node:timers/promises";
import { isLockstepError } from "@lockstep/plugin";
import { answerUnexpected, busy, clockWrong, unreachable } from "./errors.ts";
import type { Pace } from "./pace.ts";
import { timeLimit } from "./time-limit.ts";

/** What kind of trouble a failed request met. */
export type Trouble =
  /** Overloaded: all requests wait. */
  | { readonly kind: "throttled" }
  /** Passing trouble: this one is sent again. */
  | { readonly kind: "transient"; readonly reason: string; readonly cause?: unknown }
  /** The client corrects its clock by the answer: sent again once. */
  | { readonly kind: "clock" }
  /** The bucket is in another region than was thought: sent again once. */
  | { readonly kind: "region" }
  /** The credentials have ended: sent again once, with new ones where there are any. */
  | { readonly kind: "expired"; readonly error: unknown }
  /** Nothing that goes away. */
  | { readonly kind: "final"; readonly error: unknown };

/** How long and how often requests are repeated. */
export interface Patience {
  readonly pace: Pace;
  /** Times a request is sent at most, from 1. */
  readonly tries: number;
  /** First pause, in milliseconds; each further one may be twice as long. */
  readonly backoffMs: number;
  /** Milliseconds for all tries and pauses of a request together. */
  readonly deadlineMs: number;
  readonly random: () => number;
}

/** A request that may be sent again. */
export interface Attempt<T> {
  /** Without secrets: `PUT s3://shop-web/index.html`. */
  readonly what: string;
  /** @param signal - Aborts when nobody waits for the answer any more. */
  send(signal: AbortSignal): Promise<T>;
  judge(error: unknown): Trouble;
}

/** Longest pause between two tries, in milliseconds. */
const LONGEST_PAUSE_MS = 5_000;

/**
 * Sends a request until it is answered for good, with full jitter between tries and one pace for all.
 *
 * @see AWS Architecture Blog, "Exponential Backoff And Jitter" (2015)
 * @throws {LockstepError} `S3_BUSY`, `S3_UNREACHABLE`, `S3_CLOCK`, or what the judge calls final
 */
export async function patiently<T>(
  patience: Patience,
  attempt: Attempt<T>,
  signal?: AbortSignal,
): Promise<T> {
  const { deadlineMs } = patience;
  using limit = timeLimit(deadlineMs, signal);
  try {
    return await repeatedly(patience, attempt, limit.signal);
  } catch (error) {
    if (!limit.signal.aborted) throw error;
    signal?.throwIfAborted(); // why it was given up, rather than that it was
    throw unreachable(attempt.what, `none within ${deadlineMs / 1000} s`, error);
  }
}

async function repeatedly<T>(
  { pace, tries, backoffMs, random }: Patience,
  { what, send, judge }: Attempt<T>,
  signal: AbortSignal,
): Promise<T> {
  const corrected = new Set<Trouble["kind"]>();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await pace.run(() => send(signal), signal);
    } catch (error) {
      if (signal.aborted || isLockstepError(error)) throw error;
      const trouble = judge(error);
      if (trouble.kind === "final") throw trouble.error;
      if (attempt >= tries || corrected.has(trouble.kind)) throw givenUp(what, trouble, attempt);
      if (isCorrected(trouble)) corrected.add(trouble.kind);
      const pauseMs = random() * Math.min(LONGEST_PAUSE_MS, backoffMs * 2 ** (attempt - 1));
      if (trouble.kind === "throttled") pace.slowDown(pauseMs);
      else await sleep(pauseMs, undefined, { signal });
    }
  }
}

function isCorrected({ kind }: Trouble): boolean {
  return kind === "clock" || kind === "region" || kind === "expired";
}

function givenUp(what: string, trouble: Trouble, tries: number): unknown {
  if (trouble.kind === "throttled") return busy(what, tries);
  if (trouble.kind === "clock") return clockWrong(what);
  if (trouble.kind === "region") return answerUnexpected(what, "as from another region");
  return trouble.kind === "transient"
    ? unreachable(what, trouble.reason, trouble.cause)
    : trouble.error;
}
