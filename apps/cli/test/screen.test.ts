import { type EventBody } from "@lockstep/events";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createLook } from "../src/render/look.ts";
import { createScreen, type Screen } from "../src/screen.ts";
import type { Shell } from "../src/shell.ts";
import { createTeller } from "../src/teller.ts";
import { Terminal } from "./terminal.ts";

/** A shell of which only the terminal is used. */
function shellOn(terminal: Terminal): Shell {
  return {
    stderr: terminal,
    err: (text: string) => void terminal.write(text),
    size: () => ({ columns: terminal.columns, rows: terminal.rows }),
  } as unknown as Shell;
}

const LIVE = createLook({ env: { NO_COLOR: "1" }, isLive: true });
const PLAIN = createLook({ env: {}, isLive: false });

async function newScreen(): Promise<{ terminal: Terminal; screen: Screen }> {
  const terminal = new Terminal();
  return { terminal, screen: await createScreen(shellOn(terminal), LIVE) };
}

describe("the screen", () => {
  it("keeps what was printed above what is drawn, in the order of printing", async () => {
    const { terminal, screen } = await newScreen();

    screen.draw(["a 1", "b 1"]);
    screen.print(["first"]);
    screen.draw(["a 2", "b 1", "c 1"]);
    screen.print(["second", "third"]);
    screen.draw(["c 2"]);

    expect(terminal.screen).toEqual(["first", "second", "third", "c 2"]);
  });

  it("is left with the printed lines alone, and nothing is drawn afterwards", async () => {
    const { terminal, screen } = await newScreen();

    screen.print(["first"]);
    screen.draw(["a", "b"]);
    screen.end();
    screen.draw(["late"]);
    terminal.write("the end\n");

    expect(terminal.screen).toEqual(["first", "the end"]);
  });

  it("keeps printed lines that are longer than the terminal is wide", async () => {
    const { terminal, screen } = await newScreen();

    for (let count = 0; count < 3; count += 1) {
      screen.draw([`drawn ${count}`]);
      screen.print(["x".repeat(100)]);
    }
    screen.end();

    expect(terminal.screen).toEqual(
      Array.from({ length: 3 }, () => ["x".repeat(80), "x".repeat(20)]).flat(),
    );
  });

  it("erases nothing where nothing is drawn: a question stays as it was typed", async () => {
    const { terminal, screen } = await newScreen();

    screen.print(["plan"]);
    terminal.write("Type yes: ye");
    screen.draw([]);
    screen.draw([]);
    terminal.write("s\n");

    expect(terminal.screen).toEqual(["plan", "Type yes: yes"]);
  });
});

describe("telling a run", () => {
  beforeEach(
    () =>
      void vi.useFakeTimers({
        now: 0,
        toFake: ["setInterval", "clearInterval", "Date", "performance"],
      }),
  );
  afterEach(() => void vi.useRealTimers());

  const STEP = { target: "web", unit: "web-1", step: "upload" };
  const WISH = { isCI: false, showsPlan: false };
  const send = (sink: (event: never) => void, body: EventBody): void =>
    sink({ v: 1, seq: 0, at: new Date().toISOString(), run: "r", ...body } as never);

  it("at a terminal draws at most ten frames a second", async () => {
    const terminal = new Terminal();
    const write = vi.spyOn(terminal, "write");
    const flags = { output: "text", input: true } as const;
    using teller = await createTeller(shellOn(terminal), { ...WISH, flags, look: LIVE });
    send(teller.sink, { type: "step.started", phase: "stage", ...STEP, text: "upload it" });

    for (let ms = 0; ms < 1000; ms += 1) {
      send(teller.sink, { type: "step.progress", ...STEP, bytes: ms, totalBytes: 1000 });
      vi.advanceTimersByTime(1);
    }

    expect(write.mock.calls.length).toBeGreaterThan(5);
    expect(write.mock.calls.length).toBeLessThanOrEqual(10);
    expect(terminal.screen[0]).toContain("web web-1  ");
  });

  it("in a log shows one sign of life in half a minute of silence", async () => {
    const terminal = new Terminal(200);
    const flags = { output: "text", input: true } as const;
    using teller = await createTeller(shellOn(terminal), { ...WISH, flags, look: PLAIN });
    send(teller.sink, { type: "step.started", phase: "stage", ...STEP, text: "upload it" });
    teller.say("begun");

    vi.advanceTimersByTime(95_000);

    const { screen } = terminal;
    expect(screen).toHaveLength(4);
    expect(screen.slice(1).every((line) => line === "-- 30.0 s: web web-1 upload it")).toBe(true);
  });

  it("in CI, also where it has a terminal, redraws nothing", async () => {
    const terminal = new Terminal();
    const flags = { output: "text", input: true } as const;
    using teller = await createTeller(shellOn(terminal), {
      flags,
      isCI: true,
      showsPlan: false,
      look: LIVE,
    });

    send(teller.sink, { type: "step.started", phase: "stage", ...STEP, text: "upload it" });
    vi.advanceTimersByTime(5000);
    send(teller.sink, { type: "step.finished", phase: "stage", ...STEP, result: "applied", ms: 8 });

    expect(terminal.screen).toEqual(["[web web-1] upload it (8 ms)"]);
  });

  it.each([{ quiet: true, output: "text" }, { output: "json" }] as const)(
    "with %j says nothing",
    async (some) => {
      const terminal = new Terminal();
      using teller = await createTeller(shellOn(terminal), {
        ...WISH,
        flags: { input: true, ...some },
        look: LIVE,
      });

      send(teller.sink, { type: "step.started", phase: "stage", ...STEP, text: "upload it" });
      send(teller.sink, {
        type: "step.finished",
        phase: "stage",
        ...STEP,
        result: "failed",
        ms: 8,
      });
      teller.say("stopping");

      expect(terminal.screen).toEqual([]);
      expect(teller.state.texts.size).toBe(1);
    },
  );
});
