import { describe, expect, it } from "vitest";
import type { HistoryEntry } from "../src/history.ts";
import { statsOf } from "../src/stats.ts";

const HOUR = 3_600_000;
const START = Date.UTC(2026, 10, 2);

/** A run that began `hour` hours after the start and took one. */
function runAt(hour: number, more: Partial<HistoryEntry> = {}): HistoryEntry {
  return {
    run: `production-${String(hour).padStart(6, "0")}-00000000`,
    environment: "production",
    kind: "deploy",
    release: { id: "r", createdAt: "" },
    who: { user: "ada", machine: "desk" },
    targets: ["web"],
    begunAt: new Date(START + hour * HOUR).toISOString(),
    endedAt: new Date(START + (hour + 1) * HOUR).toISOString(),
    result: "done",
    live: {},
    outputs: {},
    ...more,
  };
}

describe("the four measures", () => {
  it("of no run are zero or unknown", () => {
    expect(statsOf([], START)).toEqual({ deploys: 0, perWeek: 0, failureRate: 0 });
  });

  it("count committed deploys per week since the first run", () => {
    const runs = [runAt(20), runAt(10), runAt(0)];

    expect(statsOf(runs, START + 14 * 24 * HOUR)).toMatchObject({ deploys: 3, perWeek: 1.5 });
  });

  it("take the time from commit to live where an order is the time of a commit", () => {
    const commit = (hours: number): HistoryEntry["release"] => ({
      id: "r",
      createdAt: "",
      order: (START + hours * HOUR) / 1000,
    });
    const runs = [
      runAt(30, { release: { id: "ci", createdAt: "", order: 42 } }),
      runAt(20, { release: commit(15) }),
      runAt(10, { release: commit(9) }),
    ];

    expect(statsOf(runs, START + HOUR).leadTimeMs).toBe((6 + 2) * 0.5 * HOUR);
  });

  it("call a deploy failed that was put back at once, or rolled back by the next run", () => {
    const runs = [
      runAt(40),
      runAt(30, { kind: "rollback" }),
      runAt(20),
      runAt(10, { result: "rolled-back" }),
      runAt(5, { result: "interrupted" }),
      runAt(0),
    ];

    const stats = statsOf(runs, START + 50 * HOUR);

    expect(stats).toMatchObject({ deploys: 5, failureRate: 2 / 5 });
    // put back within its own hour; rolled back eleven hours after it began
    expect(stats.timeToRestoreMs).toBe((1 + 11) * 0.5 * HOUR);
  });

  it("leave out what is still open", () => {
    const open = runAt(10, { result: "open", endedAt: undefined });

    expect(statsOf([open, runAt(0)], START).deploys).toBe(1);
  });
});
