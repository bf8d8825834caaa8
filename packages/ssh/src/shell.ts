import { oneLine } from "./output.ts";

/** A constant script for a POSIX shell and the values it reads as variables. */
export interface Script {
  /** Never built from values: the same text for every host, path and release. */
  readonly text: string;
  /** Given to the script as variables of these names; any text without NUL. */
  readonly values: Readonly<Record<string, string>>;
}

const NAME = /^[A-Za-z_][0-9A-Za-z_]*$/;

/**
 * One word of a POSIX shell that stands for exactly `text`: in single quotes nothing is special.
 *
 * The only place where a value becomes part of what a shell reads.
 *
 * @throws {TypeError} for NUL, which no argument and no variable can hold.
 * @see POSIX.1-2024, Shell Command Language, 2.2.2 "Single-Quotes"
 */
export function quote(text: string): string {
  if (text.includes("\0")) throw new TypeError("A word of a shell cannot hold a NUL character.");
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** Words of one command, each quoted, separated by spaces. */
export function quoteAll(words: readonly string[]): string {
  return words.map((word) => quote(word)).join(" ");
}

/** What no shell reads as anything but itself, wherever it stands in a command. */
const PLAIN = /^[\p{L}\p{N}_@%+=:,./{}-]+$/u;

/** A command for people, on one line, as they would type it: words with a meaning for a shell stand in quotes. */
export function readable(words: readonly string[]): string {
  return oneLine(words.map((word) => (PLAIN.test(word) ? word : quote(word))).join(" "));
}

/**
 * What a shell is to read: one assignment per value, then the script.
 *
 * @throws {TypeError} for NUL in a value, or a name that is no shell variable.
 */
export function shellText({ text, values }: Script): string {
  const lines = Object.entries(values).map(([name, value]) => {
    if (!NAME.test(name)) throw new TypeError(`${JSON.stringify(name)} is no shell variable.`);
    return `${name}=${quote(value)}`;
  });
  return [...lines, text, ""].join("\n");
}
