/** Most characters of a host's output that a message holds. */
const MOST_CHARACTERS = 2000;

/** Everything that could steer a terminal, hide text or turn it around; line breaks and tabs stay. */
// eslint-disable-next-line no-control-regex
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** The end of what a host printed, fit for a message: no control characters, at most 2,000 characters. */
export function outputTail(text: string): string {
  return printable(text).trim().slice(-MOST_CHARACTERS);
}

/** The same text without what could steer a terminal. */
export function printable(text: string): string {
  return text.replaceAll(UNSAFE, "");
}

/** The last line, for messages of one sentence. */
export function lastLine(text: string): string {
  return outputTail(text).split("\n").at(-1)?.trim() ?? "";
}

/** The same text on one line, for what a plan says about a step. */
export function oneLine(text: string): string {
  return printable(text).replaceAll(/\s+/g, " ").trim();
}
