import type { Event, EventBody, Outcome, Plan } from "@lockstep/core";
import { describe, expect, it } from "vitest";
import { outcomeJson, refText, renderOutcome } from "../src/render/outcome.ts";
import { renderPlan } from "../src/render/plan.ts";
import { newStory, renderFrame, tellDetails, tellEvent } from "../src/render/story.ts";
import { createStyle } from "../src/render/style.ts";
import { bytesText, safeText, tableText, timeText } from "../src/render/text.ts";

const plain = createStyle({ env: {}, isLive: false });

const OUTCOME: Outcome = {
  run: "production-000007-4f9c2d1a",
  environment: "production",
  release: "20261121T101500Z-4f9c2d1a",
  result: "done",
  exit: 0,
  live: { api: [{ unit: "web-1", ref: { release: "20261121T101500Z-4f9c2d1a" }, kept: [] }] },
  diagnostics: [],
  skewMs: 412,
};

function at(body: EventBody, ms = 0): Event {
  return { v: 1, seq: 0, at: new Date(ms).toISOString(), run: "r", ...body };
}

describe("the end of a run", () => {
  it("says what is live, and how far apart the pointers moved", () => {
    const watched = at({
      type: "watch.finished",
      target: "users",
      requests: 812,
      failed: 0,
      slowestMs: 24,
    });

    expect(renderOutcome(OUTCOME, [watched], plain)).toMatchInlineSnapshot(`
      "✔ Release 20261121T101500Z-4f9c2d1a is live in production.
        api web-1  20261121T101500Z-4f9c2d1a
        first and last pointer moved within 412 ms
        users: 0 of 812 requests failed, slowest 24 ms
      "
    `);
  });

  it("puts what failed first, then the result, then the next command", () => {
    const outcome: Outcome = {
      ...OUTCOME,
      result: "needs-human",
      exit: 32,
      diagnostics: [
        {
          severity: "error",
          code: "REVERT_CONFLICT",
          message: "Somebody changed it.",
          hint: "Look at it.",
          target: "api",
          unit: "web-1",
        },
      ],
    };

    expect(renderOutcome(outcome, [], plain)).toMatchInlineSnapshot(`
      "✖ REVERT_CONFLICT  api web-1: Somebody changed it.
        → Look at it.
      ✖ A human is needed: not everything could be put back.
        api web-1  20261121T101500Z-4f9c2d1a
        first and last pointer moved within 412 ms
        next: lockstep recover -e production
        story: lockstep explain production-000007-4f9c2d1a -e production
      "
    `);
  });

  it("of a recover is good news also when everything was put back", () => {
    const outcome: Outcome = { ...OUTCOME, result: "rolled-back", exit: 0 };

    expect(renderOutcome(outcome, [], plain)).toMatch(/^✔ Recovered: the run is closed/);
  });

  it("is one JSON document with every unit, and null for what there is not", () => {
    const { run: _, skewMs: __, ...rest } = OUTCOME;

    expect(outcomeJson(OUTCOME)).toMatchObject({
      live: { api: [{ unit: "web-1", ref: { release: "20261121T101500Z-4f9c2d1a" } }] },
      targets: ["api"],
      skewMs: 412,
    });
    expect(outcomeJson(rest)).toMatchObject({ run: null, skewMs: null });
  });

  it("names a release in a target's own words", () => {
    expect(refText(null)).toBe("nothing");
    expect(refText("v7")).toBe("v7");
    expect(refText({ release: "r7", digest: "sha256:0" })).toBe("r7");
    expect(refText({ tag: 7 })).toBe('{"tag":7}');
  });
});

describe("a plan", () => {
  it("shows counts, the first changes with reasons, the order, and how it is undone", () => {
    const changes = Array.from({ length: 12 }, (_, index) => ({
      action: "change" as const,
      what: `page-${index}.html`,
      reason: "content" as const,
      bytes: 1200,
    }));
    const target = {
      plugin: "@lockstep/ssh",
      version: "1.0.0",
      places: ["ssh://web-1:22/srv/shop"],
      fencing: "checked" as const,
      changes,
      unchanged: 30,
      steps: [
        { id: "upload", kind: "ssh.upload/1", phase: "stage" as const, input: null, bytes: 14_400 },
      ],
      basedOn: null,
      undo: "The link is moved back.",
    };
    const plan: Plan = {
      version: 1,
      kind: "deploy",
      environment: "production",
      release: { id: "r7", createdAt: "2026-11-21T10:15:00.000Z" },
      groups: [["api"], ["web"]],
      targets: { api: target, web: { ...target, changes: [], steps: [] } },
    };

    expect(renderPlan(plan, plain)).toMatchInlineSnapshot(`
      "Deploy release r7 in production

        api  @lockstep/ssh  +0 ~12 -0, 30 unchanged, 14.4 kB to send
          ssh://web-1:22/srv/shop
          ~ page-0.html  (content, 1.2 kB)
          ~ page-1.html  (content, 1.2 kB)
          ~ page-2.html  (content, 1.2 kB)
          ~ page-3.html  (content, 1.2 kB)
          ~ page-4.html  (content, 1.2 kB)
          ~ page-5.html  (content, 1.2 kB)
          ~ page-6.html  (content, 1.2 kB)
          ~ page-7.html  (content, 1.2 kB)
          ~ page-8.html  (content, 1.2 kB)
          ~ page-9.html  (content, 1.2 kB)
          … and 2 more (-v shows all)
          steps: stage 1
          undo: The link is moved back.

        web  @lockstep/ssh  unchanged
          ssh://web-1:22/srv/shop

      Order: api, then web.
      1 target to change, 1 unchanged.
      "
    `);
    expect(renderPlan(plan, plain, true)).toContain("page-11.html");
  });
});

describe("the story of a run", () => {
  const started = at({
    type: "step.started",
    phase: "stage",
    target: "api",
    unit: "web-1",
    step: "upload",
    text: "upload it",
  });

  it("tells a step when it has ended, with its time and size", () => {
    const story = newStory();
    tellEvent(story, started, plain);
    tellEvent(
      story,
      at(
        {
          type: "step.progress",
          target: "api",
          unit: "web-1",
          step: "upload",
          bytes: 5e5,
          totalBytes: 2e6,
        },
        1000,
      ),
      plain,
    );
    const frame = renderFrame(story, { columns: 80, rows: 5, now: 1000 });
    const lines = tellEvent(
      story,
      at({
        type: "step.finished",
        phase: "stage",
        target: "api",
        unit: "web-1",
        step: "upload",
        result: "applied",
        ms: 1234,
      }),
      plain,
    );

    expect(frame).toEqual(["  … [api web-1] 500 kB of 2.0 MB, 500 kB/s  upload it"]);
    expect(lines).toEqual(["  ✔ [api web-1] upload it (1.2 s, 2.0 MB)"]);
    expect(renderFrame(story, { columns: 80, rows: 5, now: 1000 })).toEqual([]);
  });

  it("keeps what is going on within the rows and columns of the terminal", () => {
    const story = newStory();
    for (let unit = 0; unit < 200; unit += 1) {
      tellEvent(story, { ...started, unit: `web-${unit}` } as Event, plain);
    }

    const frame = renderFrame(story, { columns: 24, rows: 3, now: 0 });

    expect(frame).toHaveLength(4);
    expect(frame.at(-1)).toBe("  … and 197 more");
    for (const line of frame) expect(line.length).toBeLessThanOrEqual(24);
  });

  it("cannot be taken over by what a host prints", () => {
    const log = at({
      type: "step.log",
      target: "api",
      unit: "web-1",
      step: "a",
      text: "\u001B[2J::set-output\r\nnext\u0007",
    });

    expect(tellDetails(log)).toEqual(["    [api web-1] ::set-output ", "    [api web-1] next "]);
    expect(safeText("\u001B]8;;http://x\u0007a\u0000b")).not.toMatch(/\p{Cc}/u);
  });
});

describe("numbers", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [99_499, "99.5 kB"],
    [999_600, "1.0 MB"],
    [2_202_009, "2.2 MB"],
    [314_000_000_000, "314 GB"],
  ])("%d bytes are %s", (bytes, text) => expect(bytesText(bytes)).toBe(text));

  it.each([
    [12, "12 ms"],
    [1234, "1.2 s"],
    [59_960, "1 m 00 s"],
    [125_000, "2 m 05 s"],
  ])("%d ms are %s", (ms, text) => expect(timeText(ms)).toBe(text));

  it("stand in columns", () => {
    expect(
      tableText([
        ["A", "BB"],
        ["ccc", "d"],
      ]),
    ).toBe("A    BB\nccc  d\n");
  });
});

describe("colors", () => {
  it.each([
    [{ env: {}, isLive: true }, true],
    [{ env: { NO_COLOR: "1" }, isLive: true }, false],
    [{ env: { TERM: "dumb" }, isLive: true }, false],
    [{ env: {}, isLive: false }, false],
    [{ env: { FORCE_COLOR: "1", NO_COLOR: "1" }, isLive: false }, true],
  ])("for %j: %s", (shell, colored) => {
    expect(createStyle(shell)("red", "x") !== "x").toBe(colored);
  });
});
