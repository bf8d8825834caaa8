import { type Event, type EventBody } from "@lockstep/events";
import { describe, expect, it } from "vitest";
import { type FrameView, renderFrame, renderHeartbeat } from "../src/render/frame.ts";
import { createLook, PLAIN } from "../src/render/look.ts";
import { renderDetails, renderEvent } from "../src/render/plain.ts";
import { advance, newState, type RunState } from "../src/render/state.ts";
import { widthOf } from "../src/render/text.ts";

const LIVE = createLook({ env: { NO_COLOR: "1" }, isLive: true });
const UPLOAD = { target: "web", unit: "web-1", step: "upload" };
const BEGUN: EventBody = { type: "step.started", phase: "stage", ...UPLOAD, text: "upload it" };

function event(body: EventBody, ms = 0): Event {
  return {
    v: 1,
    seq: 0,
    at: new Date(ms).toISOString(),
    run: "production-000001-4f9c2d1a",
    ...body,
  };
}

/** The state after these, and the lines that they added to the story. */
function told(bodies: readonly EventBody[], look = PLAIN): { state: RunState; lines: string[] } {
  const state = newState();
  const lines = bodies.flatMap((body) => {
    const happened = event(body);
    const added = [...renderDetails(state, happened, look), ...renderEvent(state, happened, look)];
    advance(state, happened);
    return added;
  });
  return { state, lines };
}

function frame(state: RunState, view: Partial<FrameView> = {}): string[] {
  return renderFrame(state, { columns: 79, rows: 10, now: 4000, look: LIVE, ...view });
}

describe("the story of a run", () => {
  it("in a log has one line for each step that ended, with place, size and time", () => {
    const { lines } = told([
      { type: "phase.started", phase: "stage", steps: 1 },
      BEGUN,
      { type: "step.progress", ...UPLOAD, bytes: 2_100_000, totalBytes: 2_100_000 },
      { type: "step.retrying", ...UPLOAD, attempt: 1, reason: "connection reset" },
      { type: "step.finished", phase: "stage", ...UPLOAD, result: "applied", ms: 1234 },
      { type: "decision", verdict: "abort", reason: "ask web-1: wanted 200" },
      { type: "step.finished", phase: "revert", ...UPLOAD, result: "conflict", ms: 8 },
    ]);

    expect(lines).toEqual([
      "Staging: 1 step",
      "[web web-1] again, try 2: connection reset",
      "[web web-1] upload it (2.1 MB, 1.2 s)",
      "Putting everything back: ask web-1: wanted 200",
      "[web web-1] upload it: left alone, somebody changed it (8 ms)",
    ]);
  });

  it("tells a warning when it comes up, but for those of putting back, which the end tells", () => {
    const warning: EventBody = {
      type: "diagnostic",
      ...UPLOAD,
      severity: "warning",
      code: "REGISTRY_LOGIN",
      message: "The old tag stays.",
      hint: "Remove it by hand.",
    };
    const { lines } = told([
      { type: "phase.started", phase: "retire", steps: 1 },
      warning,
      { ...warning, severity: "error" },
      { type: "phase.started", phase: "revert", steps: 1 },
      warning,
    ]);

    expect(lines).toEqual([
      "Retiring: 1 step",
      "! REGISTRY_LOGIN  web web-1: The old tag stays.",
      "  \u2192 Remove it by hand.",
      "Putting back: 1 step",
    ]);
  });

  it("at a terminal marks how each step ended", () => {
    const results = ["applied", "restored", "left", "inconclusive", "failed"] as const;
    const { lines } = told(
      results.flatMap((result): EventBody[] => [
        BEGUN,
        { type: "step.finished", phase: "stage", ...UPLOAD, result, ms: 8 },
      ]),
      LIVE,
    );

    expect(lines).toEqual([
      "✔ web web-1  upload it (8 ms)",
      "↺ web web-1  upload it (8 ms)",
      "– web web-1  upload it: kept on purpose (8 ms)",
      "? web web-1  upload it: could not be measured (8 ms)",
      "✖ web web-1  upload it: failed (8 ms)",
    ]);
  });

  it("puts the parts of a line together that a host sends, and shows the last one without its end", () => {
    const { lines } = told([
      BEGUN,
      { type: "step.log", ...UPLOAD, text: "npm wa" },
      { type: "step.log", ...UPLOAD, text: "rn old\r\n\ndone" },
      { type: "step.finished", phase: "stage", ...UPLOAD, result: "applied", ms: 8 },
    ]);

    expect(lines).toEqual([
      "[web web-1] | npm warn old",
      "[web web-1] | done",
      "[web web-1] upload it (8 ms)",
    ]);
  });

  it("says what a check let go, and nothing of one that saw nothing wrong", () => {
    const { lines } = told([
      { type: "check.tried", ...UPLOAD, status: "pass" },
      { type: "check.tried", ...UPLOAD, status: "fail", found: "status 500" },
      { type: "check.tried", ...UPLOAD, status: "pass", found: "web-2: status 500" },
    ]);

    expect(lines.filter((line) => line.includes("passed"))).toEqual([
      "[web web-1] passed, found web-2: status 500",
    ]);
  });

  it("cannot be taken over by what a host prints", () => {
    const hostile = "::error::x\n##[group]y ##vso[task]z\u001b[2J\u001b]0;title\u0007\u202eabc\n";
    const { lines } = told([
      { ...BEGUN, text: hostile },
      { type: "step.log", ...UPLOAD, text: hostile },
      { type: "check.tried", ...UPLOAD, status: "fail", found: hostile },
      { type: "step.retrying", ...UPLOAD, attempt: 1, reason: hostile },
      { type: "decision", verdict: "abort", reason: hostile },
      { type: "step.finished", phase: "stage", ...UPLOAD, result: "failed", ms: 8 },
    ]);

    expect(lines.length).toBe(6);
    for (const line of lines) {
      expect(line).toMatch(/^(\[web web-1\]|Putting everything back:) /);
      expect(line).not.toMatch(/[\p{Cc}\u202e]|##\[|##vso\[/u);
    }
  });
});

describe("the live area", () => {
  it("has a line for each place, with amounts, rate and the time that is left", () => {
    const { state } = told([
      { type: "phase.started", phase: "stage", steps: 3 },
      BEGUN,
      { ...BEGUN, unit: "web-22" },
      { ...BEGUN, unit: "web-22", step: "other" },
      { type: "step.progress", ...UPLOAD, bytes: 500_000, totalBytes: 2_000_000 },
      { type: "step.progress", ...UPLOAD, unit: "web-22", items: 3, totalItems: 40 },
    ]);

    expect(frame(state, { columns: 100 })).toMatchInlineSnapshot(`
      [
        "│ web web-1   ████░░░░░░░░░░░░  500 kB of 2.0 MB, 125 kB/s  12.0 s left  upload it",
        "│ web web-22  3 of 40 files  upload it  (and 1 more)",
        "  0 of 3 steps, 4.0 s; Ctrl-C stops safely",
      ]
    `);
  });

  it("never leaves the rows and columns of the terminal, whatever hosts are called", () => {
    const bodies = Array.from({ length: 200 }, (_, unit): EventBody => ({
      ...BEGUN,
      unit: `服务器-${unit}-${"x".repeat(unit)}`,
      text: "准备 👩‍👩‍👧‍👦 e\u0301 ".repeat(20),
    }));
    const { state } = told(bodies);

    for (const columns of [1, 2, 10, 24, 79, 200]) {
      for (const rows of [2, 3, 5, 50]) {
        const lines = frame(state, { columns, rows });
        expect(lines.length).toBeLessThanOrEqual(rows);
        for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(Math.max(2, columns));
      }
    }
    expect(frame(state, { rows: 5 }).at(-2)).toBe("  and 197 more places");
  });

  it("says which run is waited for, and goes away when nothing goes on", () => {
    const { state } = told([{ type: "lease.waiting", holder: "production-000007 (ana on ci)" }]);

    expect(frame(state)).toEqual(["  waiting for run production-000007 (ana on ci), 4.0 s"]);
    advance(
      state,
      event({ type: "run.started", environment: "production", release: "r", epoch: 1 }),
    );
    expect(frame(state)).toEqual([]);
  });

  it("does without characters that the console of Linux lacks", () => {
    const { state } = told([BEGUN, { type: "step.progress", ...UPLOAD, bytes: 1, totalBytes: 2 }]);
    const look = createLook({ env: { TERM: "linux" }, isLive: true });

    expect(
      frame(state, { look })
        .join("")
        .replaceAll(/\p{Cc}\[\d+m/gu, ""),
    ).toMatch(/^[ -~]+$/);
  });
});

describe("the sign of life in a log", () => {
  it("names what goes on in one line", () => {
    const { state } = told([
      ...["a", "b", "c", "d"].map((unit): EventBody => ({ ...BEGUN, unit })),
      { type: "step.progress", ...UPLOAD, unit: "a", bytes: 1_300_000, totalBytes: 2_100_000 },
    ]);

    const line = renderHeartbeat(state, { now: 31_000, look: PLAIN, silentMs: 30_000 });

    expect(line).toBe(
      "-- 30.0 s: web a 1.3 MB of 2.1 MB, 41.9 kB/s  19.0 s left  upload it; web b upload it; web c upload it; and 1 more place",
    );
  });

  it("stays out when nothing goes on", () => {
    expect(renderHeartbeat(newState(), { now: 0, look: PLAIN, silentMs: 30_000 })).toBeUndefined();
  });
});
