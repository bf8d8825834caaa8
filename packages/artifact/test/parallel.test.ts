import { describe, expect, it } from "vitest";
import { eachOf } from "../src/parallel.ts";

const turn = (): Promise<void> => new Promise((done) => void setImmediate(done));

describe("working on many things at once", () => {
  it("does each once and never more than the limit at a time", async () => {
    const done: number[] = [];
    let running = 0;
    let most = 0;

    await eachOf([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
      most = Math.max(most, ++running);
      await turn();
      running--;
      done.push(item);
    });

    expect(done.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(most).toBe(3);
  });

  it("starts nothing after a failure, waits for what runs, and throws the first", async () => {
    const events: string[] = [];

    const work = eachOf([1, 2, 3, 4], 2, async (item) => {
      events.push(`start ${item}`);
      await turn();
      if (item === 1) throw new Error("first");
      await turn();
      events.push(`end ${item}`);
      throw new Error("second");
    });

    await expect(work).rejects.toThrow("first");
    expect(events).toEqual(["start 1", "start 2", "end 2"]);
  });

  it("does nothing with nothing", async () => {
    await expect(eachOf([], 3, () => Promise.reject(new Error("called")))).resolves.toBeUndefined();
  });
});
