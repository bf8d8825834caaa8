/** A time after which something is given up. */
export interface TimeLimit extends Disposable {
  /** Aborts when the time is over, or when the caller gives up. */
  readonly signal: AbortSignal;
}

/**
 * Starts a time limit.
 *
 * @param ms - Milliseconds, from 1.
 * @param caller - Ends it before.
 */
export function timeLimit(ms: number, caller: AbortSignal | undefined): TimeLimit {
  const over = new AbortController();
  const giveUp = (): void => over.abort(caller?.reason);
  const timer = setTimeout(() => over.abort(), ms);
  if (caller?.aborted === true) giveUp();
  else caller?.addEventListener("abort", giveUp, { once: true });
  return {
    signal: over.signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      caller?.removeEventListener("abort", giveUp);
    },
  };
}
