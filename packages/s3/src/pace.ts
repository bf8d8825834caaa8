import { setTimeout as sleep } from "node:timers/promises";

/** How many requests may be under way, and when the next may start. */
export interface Pace {
  /** Runs one request when there is room for it. */
  run<T>(request: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** The server asked for less: fewer at once, and nobody starts for a while. */
  slowDown(pauseMs: number): void;
  /** Requests that may be under way now. */
  readonly limit: number;
}

/** How a pace is set. */
export interface PaceOptions {
  /** Most requests under way, from 1. */
  readonly most: number;
  /** Requests under way at first. */
  readonly first?: number;
  readonly now?: () => number;
}

/** Requests under way at first: as many as a prefix that nobody asked for in a while bears. */
const FIRST = 64;

/** What is kept of the limit when the server is overloaded. */
const DECREASE = 0.7;

/**
 * Adapts to what a server bears: a third less when it is overloaded, and one pause for all. Until that happens
 * for the first time each answer lets one more in, so that rounds double; later each full round does.
 *
 * @see RFC 5681, section 3.1, "Slow Start and Congestion Avoidance"
 * @see D. Chiu and R. Jain, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance" (1989)
 */
export function createPace({
  most,
  first = FIRST,
  now = () => performance.now(),
}: PaceOptions): Pace {
  let limit = Math.min(first, most);
  let running = 0;
  let opensAt = 0;
  let cutAt = -Infinity;
  let isProbing = true;
  const waiting: (() => void)[] = [];

  const admit = (): void => {
    while (running < Math.floor(limit) && waiting.length > 0) {
      running += 1;
      waiting.shift()?.();
    }
  };

  return {
    get limit() {
      return Math.floor(limit);
    },
    slowDown(pauseMs) {
      opensAt = Math.max(opensAt, now() + pauseMs);
      // what was under way when the first was refused is refused for the same reason
      if (now() - cutAt < pauseMs) return;
      cutAt = now();
      isProbing = false;
      limit = Math.max(1, limit * DECREASE);
    },
    async run(request, signal) {
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        admit();
      });
      try {
        for (let left = opensAt - now(); left > 0; left = opensAt - now()) {
          await sleep(left, undefined, signal === undefined ? {} : { signal });
        }
        signal?.throwIfAborted();
        const result = await request();
        limit = Math.min(most, limit + (isProbing ? 1 : 1 / limit));
        return result;
      } finally {
        running -= 1;
        admit();
      }
    },
  };
}
