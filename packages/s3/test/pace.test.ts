import { describe, expect, it } from "vitest";
import { createPace, type Pace } from "../src/pace.ts";

/** Requests that wait to be answered by hand. */
function held(pace: Pace): {
  readonly started: () => number;
  send(signal?: AbortSignal): Promise<void>;
  answer(): Promise<void>;
} {
  const waiting: (() => void)[] = [];
  let started = 0;
  return {
    started: () => started,
    send: (signal) =>
      pace.run(async () => {
        started += 1;
        await new Promise<void>((resolve) => waiting.push(resolve));
      }, signal),
    async answer() {
      waiting.shift()?.();
      await settled();
    },
  };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a pace", () => {
  it("lets no more begin than there is room for, and the next when one ends", async () => {
    const requests = held(createPace({ most: 2 }));
    const all = [requests.send(), requests.send(), requests.send()];
    await settled();
    expect(requests.started()).toBe(2);

    await requests.answer();
    expect(requests.started()).toBe(3);

    await requests.answer();
    await requests.answer();
    await Promise.all(all);
  });

  it("lets one more in with each answer, up to the most, until the server is overloaded", async () => {
    const pace = createPace({ most: 6, first: 2 });
    const limits: number[] = [];
    for (let count = 0; count < 6; count += 1) {
      await pace.run(async () => {});
      limits.push(pace.limit);
    }

    expect(limits).toEqual([3, 4, 5, 6, 6, 6]);
  });

  it("begins with 64 where nobody says otherwise", () => {
    expect(createPace({ most: 192 }).limit).toBe(64);
    expect(createPace({ most: 10 }).limit).toBe(10);
  });

  it("falls by a third once for all that were refused together, and then grows by one a round", async () => {
    let now = 0;
    const pace = createPace({ most: 100, first: 10, now: () => now });

    for (let refused = 0; refused < 10; refused += 1) pace.slowDown(100);
    expect(pace.limit).toBe(7);
    now = 100;
    for (let answered = 0; answered < 8; answered += 1) await pace.run(async () => {});
    expect(pace.limit).toBe(8);
    pace.slowDown(100);
    expect(pace.limit).toBe(5);
  });

  it("never falls below one", () => {
    let now = 0;
    const pace = createPace({ most: 4, first: 2, now: () => now });
    for (; now < 10_000; now += 1_000) pace.slowDown(10);

    expect(pace.limit).toBe(1);
  });

  it("lets nobody begin before the pause is over", async () => {
    const pace = createPace({ most: 4 });
    const began = performance.now();
    pace.slowDown(60);
    pace.slowDown(20);

    await pace.run(async () => {});

    expect(performance.now() - began).toBeGreaterThanOrEqual(55);
  });

  it("gives back the room of a request that failed, and of one that was given up in the pause", async () => {
    const pace = createPace({ most: 1 });
    await expect(pace.run(() => Promise.reject(new Error("lost")))).rejects.toThrow("lost");
    const stop = new AbortController();
    pace.slowDown(60_000);
    const waiting = pace.run(async () => "sent", stop.signal);
    stop.abort(new Error("stopped"));
    await expect(waiting).rejects.toMatchObject({ name: "AbortError" });

    const next = new AbortController();
    const other = pace.run(async () => "sent", next.signal);
    next.abort();
    await expect(other).rejects.toMatchObject({ name: "AbortError" });
  });
});
