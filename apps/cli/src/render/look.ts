import { styleText } from "node:util";

/** How text is decorated where it is shown: decided once for a command. */
export interface Look {
  /** Colors, or none. */
  style(color: Color, text: string): string;
  /** The character, or letters for terminals that lack it. */
  mark(name: keyof typeof MARKS): string;
  /** Whether a person watches a terminal that can be redrawn. */
  readonly isLive: boolean;
}

/** What text is colored for. */
export type Color = "bold" | "dim" | "red" | "green" | "yellow";

const MARKS = {
  good: ["✔", "+"],
  bad: ["✖", "x"],
  undone: ["↺", "<"],
  nothing: ["–", "-"],
  unknown: ["?", "?"],
  bar: ["│", "|"],
  next: ["→", "->"],
  more: ["…", "..."],
  full: ["█", "#"],
  empty: ["░", "."],
} as const;

/** What decides how text looks. */
export interface LookWish {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether the stream is a terminal. */
  readonly isLive: boolean;
}

/**
 * FORCE_COLOR decides, then NO_COLOR and `TERM=dumb`, then whether it is a terminal.
 *
 * @see https://no-color.org, https://force-color.org
 */
export function createLook({ env, isLive }: LookWish): Look {
  const canMove = isLive && env["TERM"] !== "dumb";
  const hasColors = isForced(env["FORCE_COLOR"]) ?? (canMove && (env["NO_COLOR"] ?? "") === "");
  // The console of Linux has no such characters in its font.
  const column = isLive && env["TERM"] === "linux" ? 1 : 0;
  return {
    isLive: canMove,
    mark: (name) => MARKS[name][column],
    style: (color, text) => (hasColors ? styleText(color, text, { validateStream: false }) : text),
  };
}

/** For answers: the same bytes on a terminal, in a pipe and in a file. */
export const PLAIN: Look = createLook({ env: {}, isLive: false });

function isForced(value: string | undefined): boolean | undefined {
  if (value === undefined || value === "") return undefined;
  return value !== "0" && value !== "false";
}
