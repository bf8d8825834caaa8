import { setTimeout as sleep } from "node:timers/promises";
import { isLockstepError, type TargetContext } from "@lockstep/plugin";
import { busy } from "../errors.ts";
import type { Answer } from "./transport.ts";

/** How patient requests are. */
export interface PaceOptions {
  /** Times a request is sent again. */
  readonly retries: number;
  /** Longest pause, in milliseconds, that a registry may ask for. */
  readonly maxWaitMs: number;
  /** First pause between two tries, in milliseconds; it doubles, and chance takes a part of it. */
  readonly backoffMs: number;
}

/** Keeps all requests to a host at the pace it asks for. */
export interface Pace {
  /**
   * Calls `send` until its answer is no passing trouble, or tries are used up: then the last answer or
   * error is what comes back. A pause that a host asks for holds back every other request to it.
   *
   * @throws {LockstepError} `REGISTRY_BUSY` when the host asks for a longer pause than allowed
   */
  steadily(ctx: TargetContext, host: string, send: () => Promise<Answer>): Promise<Answer>;
  /** Waits as an answer asks for, or a while by chance, where the caller itself tries again. */
  pause(ctx: TargetContext, answer: Answer): Promise<void>;
}

/** Statuses that may be gone the next time. */
const PASSING: ReadonlySet<number> = new Set([
  408, 429, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524,
]);

/** Tells whether the same request may get another answer later. */
export function isPassing(status: number): boolean {
  return PASSING.has(status);
}

/** Starts without any pause. */
export function createPace({ retries, maxWaitMs, backoffMs }: PaceOptions): Pace {
  const openAt = new Map<string, number>();

  function holdBack(ctx: TargetContext, host: string, answer: Answer): void {
    const ms = pauseOf(answer.header("retry-after")[0], ctx.now());
    if (ms === undefined) return;
    if (ms > maxWaitMs) throw busy(host, Math.ceil(ms / 1000), maxWaitMs);
    if (ms > 1000) ctx.log(`${host} asks to wait ${Math.ceil(ms / 1000)} s.\n`);
    openAt.set(host, Math.max(openAt.get(host) ?? 0, ctx.now() + ms));
  }

  return {
    async pause(ctx, answer) {
      answer.body.destroy();
      holdBack(ctx, answer.url.host, answer);
      await wait(ctx.random() * backoffMs, ctx.signal);
    },
    async steadily(ctx, host, send) {
      for (let tries = 0; ; tries += 1) {
        await wait((openAt.get(host) ?? 0) - ctx.now(), ctx.signal);
        const outcome = await settle(send);
        const isLast = tries === retries;
        if ("answer" in outcome) {
          const { answer } = outcome;
          if (!PASSING.has(answer.status)) return answer;
          if (isLast) return answer;
          answer.body.destroy();
          holdBack(ctx, host, answer);
        } else if (isLast || !isLockstepError(outcome.error) || !outcome.error.retryable) {
          throw outcome.error;
        }
        await wait(ctx.random() * backoffMs * 2 ** tries, ctx.signal);
      }
    },
  };
}

/**
 * Milliseconds that a `Retry-After` asks for: whole seconds or a date.
 *
 * @see RFC 9110, section 10.2.3
 */
export function pauseOf(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(date - now, 0);
}

async function settle(
  send: () => Promise<Answer>,
): Promise<{ readonly answer: Answer } | { readonly error: unknown }> {
  try {
    return { answer: await send() };
  } catch (error) {
    return { error };
  }
}

async function wait(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await sleep(ms, undefined, { signal });
}
