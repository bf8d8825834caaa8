import type { Look } from "./render/look.ts";
import type { Shell } from "./shell.ts";

/** Lines that stay, and below them, on a terminal, an area that is drawn again and again. */
export interface Screen {
  print(lines: readonly string[]): void;
  /** Shows these lines instead of those drawn before. */
  draw(frame: readonly string[]): void;
  /** Milliseconds since the last line that stays. */
  silentMs(): number;
  /** Takes the drawn area away; nothing is drawn afterwards. */
  end(): void;
}

/** The screen for stderr: with an area to draw in only where it can be redrawn. */
export async function createScreen(shell: Shell, look: Look): Promise<Screen> {
  let last = performance.now();
  const write = (lines: readonly string[]): void => {
    shell.err(lines.map((line) => `${line}\n`).join(""));
    last = performance.now();
  };
  const silentMs = (): number => performance.now() - last;
  if (!look.isLive) {
    const print = (lines: readonly string[]): void => {
      if (lines.length > 0) write(lines);
    };
    return { print, draw: () => {}, silentMs, end: () => {} };
  }

  const { createLogUpdate } = await import("log-update");
  // A hidden cursor would stay hidden after a kill.
  const update = createLogUpdate(shell.stderr, { showCursor: true });
  let frame: readonly string[] = [];
  let isOver = false;
  const clear = (): void => {
    // Where nothing is drawn nothing may be erased: the line may be a question, half answered.
    if (frame.length > 0) update.clear();
  };
  return {
    silentMs,
    print(lines) {
      if (lines.length === 0) return;
      clear();
      write(lines);
      if (frame.length > 0) update(frame.join("\n"));
    },
    draw(next) {
      if (isOver) return;
      if (next.length === 0) clear();
      else update(next.join("\n"));
      frame = next;
    },
    end() {
      clear();
      frame = [];
      isOver = true;
    },
  };
}
