import { styleText } from "node:util";

/** What the audience sees. */
export interface Stage {
  heading(text: string): void;
  /** A sentence before or after what is shown. */
  say(text: string): void;
  /** The command that is run next. */
  command(text: string): void;
  /** Output of a program, as it came. */
  output(text: string): void;
  /** One line about what was just seen. */
  notice(text: string): void;
  /**
   * A fact that must hold.
   *
   * @throws {DemoFailed} when it does not
   */
  fact(text: string, holds: boolean): void;
}

/** Something on the stage did not end as it must. */
export class DemoFailed extends Error {
  override readonly name = "DemoFailed";
}

/** Writes to a stream; colored where the stream is a terminal. */
export function openStage(stream: NodeJS.WriteStream): Stage {
  const paint = (style: Parameters<typeof styleText>[0], text: string): string =>
    styleText(style, text, { stream });
  const line = (text: string): void => void stream.write(`${text}\n`);
  let scenes = 0;
  return {
    heading(text) {
      scenes += 1;
      line(`\n${paint(["bold", "cyan"], `${scenes}. ${text}`)}`);
    },
    say: (text) => line(text),
    command: (text) => line(`\n${paint("bold", `$ ${text}`)}`),
    output: (text) => void stream.write(text),
    notice: (text) => line(`${paint("yellow", "→")} ${text}`),
    fact(text, holds) {
      line(holds ? `${paint("green", "✓")} ${text}` : `${paint("red", "✗")} ${text}`);
      if (!holds) throw new DemoFailed(`This does not hold: ${text}`);
    },
  };
}
