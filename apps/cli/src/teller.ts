import type { Event, Sink } from "@lockstep/core";
import type { Flags } from "./program.ts";
import { newStory, renderFrame, tellDetails, tellEvent } from "./render/story.ts";
import { createStyle } from "./render/style.ts";
import type { Shell } from "./shell.ts";

/** Tells a run on stderr while it happens. */
export interface Teller {
  readonly sink: Sink;
  /** Everything that happened, for the end of the story. */
  readonly events: Event[];
  /** Takes the live area away; nothing is drawn afterwards. */
  end(): void;
}

const FRAME_MS = 100;
const HEARTBEAT_MS = 30_000;

/** A live area on a terminal, plain lines with a heartbeat elsewhere, nothing with `--quiet` or JSON. */
export async function createTeller(shell: Shell, flags: Flags, isCI: boolean): Promise<Teller> {
  const events: Event[] = [];
  if (flags.output === "ndjson") {
    const sink: Sink = (event) => {
      events.push(event);
      shell.out(`${JSON.stringify(event)}\n`);
    };
    return { sink, events, end: () => {} };
  }
  if (flags.quiet === true || flags.output === "json") {
    return { sink: (event) => events.push(event), events, end: () => {} };
  }
  const isLive = shell.isLive && !isCI && shell.env["TERM"] !== "dumb";
  const screen = isLive ? await liveScreen(shell) : plainScreen(shell);
  const story = newStory();
  const style = createStyle({ env: shell.env, isLive });
  const timer = setInterval(
    () => screen.draw(renderFrame(story, { columns: shell.columns, rows: 12, now: Date.now() })),
    FRAME_MS,
  );
  timer.unref();
  return {
    events,
    sink(event) {
      events.push(event);
      const lines = tellEvent(story, event, style);
      screen.print([...lines, ...(flags.verbose === true ? tellDetails(event) : [])]);
    },
    end() {
      clearInterval(timer);
      screen.clear();
    },
  };
}

interface Screen {
  print(lines: readonly string[]): void;
  draw(frame: readonly string[]): void;
  clear(): void;
}

async function liveScreen({ stderr, err }: Shell): Promise<Screen> {
  const { createLogUpdate } = await import("log-update");
  const update = createLogUpdate(stderr);
  let frame: readonly string[] = [];
  return {
    print(lines) {
      if (lines.length === 0) return;
      update.clear();
      err(lines.map((line) => `${line}\n`).join(""));
      if (frame.length > 0) update(frame.join("\n"));
    },
    draw(next) {
      frame = next;
      if (frame.length > 0) update(frame.join("\n"));
      else update.clear();
    },
    clear() {
      update.clear();
      update.done();
    },
  };
}

/** CI logs: finished lines, and one sign of life in every half minute of silence. */
function plainScreen({ err }: Shell): Screen {
  let last = Date.now();
  const write = (lines: readonly string[]): void => {
    if (lines.length === 0) return;
    err(lines.map((line) => `${line}\n`).join(""));
    last = Date.now();
  };
  return {
    print: write,
    draw(frame) {
      if (Date.now() - last >= HEARTBEAT_MS) write(frame);
    },
    clear: () => {},
  };
}
