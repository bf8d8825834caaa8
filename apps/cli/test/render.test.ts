import type { Outcome, Plan, PlannedFor } from "@lockstep/core";
import { MemoryWorld, memoryTarget } from "@lockstep/testkit";
import { describe, expect, it } from "vitest";
import { parseDuration } from "../src/duration.ts";
import { renderDiagnostic, renderDiagnosticLine } from "../src/render/error.ts";
import { outcomeJson } from "../src/render/json.ts";
import { commonRelease, liveLines, refText } from "../src/render/live.ts";
import { createLook, PLAIN } from "../src/render/look.ts";
import { renderOutcome, type Verb } from "../src/render/outcome.ts";
import { renderPlan } from "../src/render/plan.ts";
import { newState } from "../src/render/state.ts";
import { bytesText, clip, quoted, tableText, timeText, widthOf } from "../src/render/text.ts";

const OUTCOME: Outcome = {
  run: "production-000007-4f9c2d1a",
  environment: "production",
  release: "r7",
  result: "done",
  exit: 0,
  live: {
    api: [{ unit: "web-1", ref: { release: "r7" }, kept: [] }],
    web: [{ ref: "r7", kept: [] }],
  },
  diagnostics: [],
};

function ending(outcome: Partial<Outcome>, verb: Verb = "deploy", state = newState()): string {
  const command = (words: readonly string[]): string =>
    `lockstep ${words.map(quoted).join(" ")} -e production`;
  return renderOutcome({ ...OUTCOME, ...outcome }, { verb, state, look: PLAIN, command });
}

describe("the end of a run", () => {
  it("says what is live, how far apart the pointers moved, and what users noticed", () => {
    const state = newState();
    const about = { v: 1, seq: 0, at: "", run: "", target: "users" } as const;
    state.watched.push({
      ...about,
      type: "watch.finished",
      requests: 812,
      failed: 0,
      slowestMs: 24,
    });

    expect(ending({ skewMs: 412 }, "deploy", state)).toMatchInlineSnapshot(`
      "✔ Deployed. Release r7 is live in production.
        Pointers moved within 412 ms.
        users: 0 of 812 requests failed meanwhile; the slowest took 24 ms.
      "
    `);
  });

  it("names every unit where they differ, after what failed and before the next command", () => {
    const live = {
      api: [{ unit: "web-1", ref: { release: "r7" }, kept: [] }],
      web: [{ ref: null, kept: [] }],
    };
    const diagnostics = [
      {
        severity: "error",
        code: "REVERT_CONFLICT",
        message: "Somebody changed it.",
        hint: "Look at it.",
        target: "web",
      },
    ] as const;

    expect(ending({ result: "needs-human", exit: 32, live, diagnostics })).toMatchInlineSnapshot(`
      "✖ REVERT_CONFLICT  web: Somebody changed it.
        → Look at it.
      ✖ Deploy failed, and a person is needed: not everything is as it was. Live now:
        api web-1  r7
        web  nothing
        → lockstep recover -e production
        → lockstep explain production-000007-4f9c2d1a -e production
      "
    `);
  });

  it("says where nothing was to be done that what is live was not compared, where a target can", () => {
    const nothing = { ...OUTCOME, result: "unchanged", exit: 0 } as const;
    const text = (hasAudit: boolean): string =>
      renderOutcome(nothing, {
        verb: "deploy",
        state: newState(),
        look: PLAIN,
        hasAudit,
        command: (words) => `lockstep ${words.join(" ")}`,
      });

    expect(text(true)).toContain("→ lockstep status --deep compares what is live; this did not.");
    expect(text(false)).not.toContain("--deep");
  });

  it("tells once what several steps ran into alike", () => {
    const lost = {
      severity: "error",
      code: "SSH_HOST_UNREACHABLE",
      message: "web-2 does not answer.",
      target: "web",
      unit: "web-2",
    } as const;
    const other = { ...lost, unit: "web-1" };
    const diagnostics = ["upload", "activate", "prune"].map((step) => ({ ...lost, step }));
    const text = ending({ result: "needs-human", exit: 32, diagnostics: [...diagnostics, other] });

    expect(text.split("SSH_HOST_UNREACHABLE")).toHaveLength(3);
    expect(text).toContain(
      "  → lockstep recover --skip web/web-2 --skip web/web-1 --reason 'it is gone for good' -e production\n",
    );
  });

  it("offers to accept what is live where everything is as it was and only a check fails", () => {
    const check = {
      severity: "error",
      code: "CHECK_FAILED",
      message: "It fails.",
      hint: "",
    } as const;
    const other = { ...check, code: "SSH_REMOTE_FAILED" };
    const asked = (...diagnostics: readonly (typeof other)[]): boolean =>
      ending({ result: "needs-human", exit: 32, diagnostics }).includes(
        "recover --accept --reason 'the check is wrong'",
      );

    expect([asked(check), asked(check, check), asked(check, other), asked()]).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it.each([
    ["rollback", "done", 0, "✔ Rolled back. Release r7 is live in production."],
    ["rollback", "rolled-back", 31, "✖ Rollback failed and was rolled back. Release r7"],
    [
      "deploy",
      "interrupted",
      130,
      "✖ Deploy was stopped before anything was activated; users saw nothing.",
    ],
    ["deploy", "fenced", 35, "✖ Deploy was overtaken by another run"],
    ["recover", "done", 0, "✔ Recovered: the run was finished."],
    ["recover", "rolled-back", 0, "✔ Recovered: the run was rolled back."],
    ["recover", "unchanged", 0, "✔ Nothing to recover: no run is open."],
    ["recover", "needs-human", 32, "✖ Recover failed, and a person is needed"],
  ] as const)("of a %s that is %s begins with its result", (verb, result, exit, text) => {
    expect(ending({ result, exit }, verb).startsWith(text)).toBe(true);
  });

  it("is one JSON document with every unit, and null for what there is not", () => {
    const { run: _, ...rest } = OUTCOME;

    expect(outcomeJson(rest)).toEqual({
      run: null,
      release: "r7",
      result: "done",
      exit: 0,
      live: { api: [{ unit: "web-1", ref: { release: "r7" } }], web: [{ unit: null, ref: "r7" }] },
      targets: ["api", "web"],
      diagnostics: [],
      skewMs: null,
    });
  });
});

describe("what is live", () => {
  it("has one name only where all units agree", () => {
    const unit = (ref: string | null): Outcome["live"][string][number] => ({ ref, kept: [] });

    expect(commonRelease({ a: [unit("r7"), unit("r7")] })).toBe("r7");
    expect(commonRelease({ a: [unit("r7")], b: [unit("r6")] })).toBeUndefined();
    expect(commonRelease({ a: [unit("r7"), unit(null)] })).toBeUndefined();
    expect(liveLines({ a: [unit(null)] })).toEqual(["Nothing is live on any target."]);
    expect(liveLines({ a: [unit("r7")] }, ["a"])).toEqual(["Release r7 is live on a."]);
    expect(liveLines({ checks: [] })).toEqual([]);
  });

  it("is named in a target's own words", () => {
    expect(refText(null)).toBe("nothing");
    expect(refText({ release: "r7", digest: "sha256:0" })).toBe("r7");
    expect(refText({ tag: 7 })).toBe('{"tag":7}');
    expect(refText("a\u001b[2Jb\n")).toBe("ab ");
  });
});

describe("an error", () => {
  const diagnostic = {
    severity: "error",
    code: "CHECK_FAILED",
    message: "ask it: wanted 200, found 500, found nothing.",
    hint: "Mend it.",
    target: "web",
    unit: "web-1",
  } as const;

  it("of a check tells line by line what was wanted and found", () => {
    expect(renderDiagnostic(diagnostic, PLAIN, { stepText: "ask it" })).toBe(
      "✖ CHECK_FAILED  web web-1: ask it\n  wanted  200, found 500\n  found   nothing\n  → Mend it.",
    );
    expect(renderDiagnostic(diagnostic, PLAIN)).toContain("wanted 200, found 500, found nothing.");
  });

  it("with several lines keeps them, and each begins with blanks of ours", () => {
    const message = "2 problems:\n::error::a\nb\u001b[2J";

    expect(
      renderDiagnostic({ ...diagnostic, message }, PLAIN)
        .split("\n")
        .slice(0, 3),
    ).toEqual(["✖ CHECK_FAILED  web web-1: 2 problems:", "  ::error::a", "  b"]);
    expect(renderDiagnosticLine({ ...diagnostic, message })).not.toContain("\n");
  });

  it("that nobody expected says where to report it", () => {
    const { hint: _, ...rest } = diagnostic;

    expect(renderDiagnostic({ ...rest, code: "UNEXPECTED" }, PLAIN)).toContain("/issues");
  });
});

describe("a plan", () => {
  const web = memoryTarget({ world: new MemoryWorld(["web-1"]), content: "two" });
  const input = { unit: "web-1", ref: { release: "r7", content: "two" } };
  const planned: PlannedFor = {
    plugin: "@lockstep/testkit",
    version: "1.0.0",
    places: ["memory://web-1"],
    fencing: "checked",
    changes: Array.from({ length: 12 }, (_, index) => ({
      action: "add",
      what: `page-${index}.html`,
      reason: "absent",
      bytes: 1200,
    })),
    unchanged: 30,
    steps: [
      { id: "b", kind: "memory.activate/1", phase: "activate", input, unit: "web-1", wave: 1 },
      { id: "a", kind: "memory.stage/1", phase: "stage", input, unit: "web-1", bytes: 14_400 },
      { id: "m", kind: "memory.once/1", phase: "activate", input, undo: "leave" },
      {
        id: "c",
        kind: "memory.check/1",
        phase: "verify",
        input,
        until: { successes: 3, intervalMs: 100, deadlineMs: 30_000 },
      },
    ],
    basedOn: null,
    undo: "It is pointed back.",
  };
  const plan: Plan = {
    version: 1,
    kind: "deploy",
    environment: "production",
    release: { id: "r7", createdAt: "" },
    groups: [["web"], ["users"]],
    targets: { web: planned, users: { ...planned, places: [], changes: [], steps: [] } },
  };

  it("shows counts, the first changes with reasons, steps in words, the order, and how it is undone", () => {
    expect(renderPlan(plan, { targets: { web }, look: PLAIN })).toMatchInlineSnapshot(`
      "Deploy release r7 in production

        web  @lockstep/testkit  +12 ~0 -0, 30 unchanged, 14.4 kB to send
          memory://web-1
          + page-0.html  (absent, 1.2 kB)
          + page-1.html  (absent, 1.2 kB)
          + page-2.html  (absent, 1.2 kB)
          + page-3.html  (absent, 1.2 kB)
          + page-4.html  (absent, 1.2 kB)
          + page-5.html  (absent, 1.2 kB)
          + page-6.html  (absent, 1.2 kB)
          + page-7.html  (absent, 1.2 kB)
          + page-8.html  (absent, 1.2 kB)
          + page-9.html  (absent, 1.2 kB)
          … and 2 more changes (-v shows all)
          stage     web-1: stage two on web-1
          activate  migrate web-1 (stays when the run is put back)
                    web-1: point web-1 at two (in wave 2)
          verify    ask web-1 (3 passes in a row within 30.0 s)
          undo      It is pointed back.

        users  @lockstep/testkit  unchanged

      Order: web, then users.
      1 target to change, 1 unchanged.
      "
    `);
  });

  it("shows everything on request", () => {
    const text = renderPlan(plan, { targets: { web }, look: PLAIN, everything: true });

    expect(text).toContain("page-11.html");
    expect(text).not.toContain("-v shows all");
  });
});

describe("colors", () => {
  it.each([
    [{ env: {}, isLive: true }, true],
    [{ env: { NO_COLOR: "1" }, isLive: true }, false],
    [{ env: { NO_COLOR: "" }, isLive: true }, true],
    [{ env: { TERM: "dumb" }, isLive: true }, false],
    [{ env: { FORCE_COLOR: "0" }, isLive: true }, false],
    [{ env: {}, isLive: false }, false],
    [{ env: { FORCE_COLOR: "1", NO_COLOR: "1" }, isLive: false }, true],
  ])("for %j: %s", (wish, colored) => {
    expect(createLook(wish).style("red", "x") !== "x").toBe(colored);
  });
});

describe("numbers and words", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [99_949, "99.9 kB"],
    [99_950, "100 kB"],
    [999_499, "999 kB"],
    [999_500, "1.0 MB"],
    [2_202_009, "2.2 MB"],
    [314_000_000_000, "314 GB"],
  ])("%d bytes are %s", (bytes, text) => expect(bytesText(bytes)).toBe(text));

  it.each([
    [12, "12 ms"],
    [999.6, "1.0 s"],
    [1234, "1.2 s"],
    [59_949, "59.9 s"],
    [59_960, "1 m 00 s"],
    [125_000, "2 m 05 s"],
  ])("%d ms are %s", (ms, text) => expect(timeText(ms)).toBe(text));

  it.each([
    ["90s", 90_000],
    ["5m", 300_000],
    ["1h", 3_600_000],
    ["0s", 0],
    ["5", undefined],
    ["5 m", undefined],
    ["-5m", undefined],
    ["1.5h", undefined],
    ["1d", undefined],
  ])("%s is a wait of %s ms", (text, ms) => expect(parseDuration(text)).toBe(ms));

  it("stand in columns, also wide ones", () => {
    const table = tableText([
      ["A", "BB"],
      ["ccc", "d"],
      ["服", "e"],
    ]);

    expect(table).toBe("A    BB\nccc  d\n服   e\n");
  });

  it("are cut where the terminal ends", () => {
    expect(clip("abc", 3, "…")).toBe("abc");
    expect(clip("abcd", 3, "…")).toBe("ab…");
    expect(clip("服务器", 4, "…")).toBe("服…");
    expect(clip("abcd", 0, "…")).toBe("");
    expect(widthOf("e\u0301")).toBe(1);
  });

  it("can be pasted into a shell", () => {
    expect(["lockstep.config.ts", "a b", "it's", "$(x)"].map(quoted)).toEqual([
      "lockstep.config.ts",
      "'a b'",
      String.raw`'it'\''s'`,
      "'$(x)'",
    ]);
  });
});
