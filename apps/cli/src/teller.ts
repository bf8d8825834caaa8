import { type Sink } from "@lockstep/events";
import type { Flags } from "./program.ts";
import { renderFrame, renderHeartbeat } from "./render/frame.ts";
import type { Look } from "./render/look.ts";
import { renderDetails, renderEvent } from "./render/plain.ts";
import { advance, newState, type RunState } from "./render/state.ts";
import { createScreen, type Screen } from "./screen.ts";
import type { Shell } from "./shell.ts";

/** Tells a run while it happens. */
export interface Teller extends Disposable {
  readonly sink: Sink;
  /** What happened until now. */
  readonly state: RunState;
  /** Adds a line of our own to the story. */
  say(line: string): void;
}

/** What a run is told with. */
export interface TellerWish {
  readonly flags: Flags;
  readonly look: Look;
  readonly isCI: boolean;
  /** Whether the whole plan is shown anyway, so that its summary would only repeat it. */
  readonly showsPlan: boolean;
}

/** A frame at most every so many milliseconds. */
const FRAME_MS = 100;

/** Silence, in milliseconds, after which a log without redraws shows a sign of life. */
const HEARTBEAT_MS = 30_000;

/** Events on stdout for programs; for people a live area on a terminal and plain lines elsewhere. */
export async function createTeller(shell: Shell, wish: TellerWish): Promise<Teller> {
  const state = newState();
  const { output, quiet } = wish.flags;
  if (output === "text" && quiet !== true) return tellPeople(shell, state, wish);
  return {
    state,
    say: () => {},
    sink(event) {
      if (output === "ndjson") shell.out(`${JSON.stringify(event)}\n`);
      advance(state, event);
    },
    [Symbol.dispose]: () => {},
  };
}

async function tellPeople(shell: Shell, state: RunState, wish: TellerWish): Promise<Teller> {
  const { flags, isCI, showsPlan } = wish;
  const look = isCI ? { ...wish.look, isLive: false } : wish.look;
  const screen = await createScreen(shell, look);
  const timer = setInterval(() => redraw({ shell, state, look, screen }), FRAME_MS);
  timer.unref();
  return {
    state,
    say: (line) => screen.print([line]),
    sink(event) {
      const isKnown = showsPlan && event.type === "plan.finished";
      const details = flags.verbose === true ? renderDetails(state, event, look) : [];
      const lines = isKnown ? [] : renderEvent(state, event, look);
      advance(state, event);
      screen.print([...details, ...lines]);
    },
    [Symbol.dispose]() {
      clearInterval(timer);
      screen.end();
    },
  };
}

function redraw(drawn: {
  readonly shell: Shell;
  readonly state: RunState;
  readonly look: Look;
  readonly screen: Screen;
}): void {
  const { shell, state, look, screen } = drawn;
  const now = Date.now();
  if (look.isLive) {
    const { columns, rows } = shell.size();
    screen.draw(
      renderFrame(state, { columns: columns - 1, rows: Math.max(2, rows - 2), now, look }),
    );
  } else if (screen.silentMs() >= HEARTBEAT_MS) {
    const line = renderHeartbeat(state, { now, look, silentMs: screen.silentMs() });
    if (line !== undefined) screen.print([line]);
  }
}
