/** `1.3 MB`: decimal units, three digits at most. */
export function bytesText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? ""}`;
}

/** `340 ms`, `1.2 s`, `2 m 05 s` */
export function timeText(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, "0")} s`;
}

/** `1 step`, `2 steps` */
export function countText(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

/**
 * Text from elsewhere on one line, without anything that moves a cursor, turns letters around, or is an
 * order to a CI system.
 *
 * @see https://trojansource.codes for the characters that turn text around
 */
export function safeText(text: string): string {
  return (
    text
      .replaceAll(/\p{Cc}\[[0-9;?]*[ -/]*[@-~]/gu, "")
      .replaceAll(/[\p{Cc}\u2028\u2029]+/gu, " ")
      .replaceAll(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "")
      // GitHub and Azure take ##[…] and ##vso[…] as orders anywhere in a line.
      .replaceAll(/##(?=\[|vso\[)/g, "# #")
  );
}

/** Where something happened: `web web-1`. */
export function placeText({
  target,
  unit,
}: {
  readonly target?: string | undefined;
  readonly unit?: string | undefined;
}): string {
  return safeText([target, unit].filter((part) => part !== undefined).join(" "));
}

/** Columns of equal width, two blanks between them. */
export function tableText(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => widthOf(row[column] ?? ""))),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - widthOf(cell)))
      .join("  ")
      .trimEnd();
  return rows.map((row) => `${line(row)}\n`).join("");
}

/** Columns that text takes on a terminal; rather too many than too few. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += columnsOf(character);
  return width;
}

/** The text, or its beginning with `more` behind it, in at most so many columns. */
export function clip(text: string, columns: number, more: string): string {
  if (widthOf(text) <= columns) return text;
  let kept = "";
  let left = columns - widthOf(more);
  for (const character of text) {
    left -= columnsOf(character);
    if (left < 0) break;
    kept += character;
  }
  return columns < widthOf(more) ? "" : kept + more;
}

/** @see Unicode Standard Annex 11: wide characters begin at U+1100; all later ones count as wide here */
function columnsOf(character: string): number {
  if (/\p{M}/u.test(character)) return 0;
  const code = character.codePointAt(0) ?? 0;
  const isDrawing = code >= 0x2000 && code <= 0x2bff;
  return code >= 0x1100 && !isDrawing ? 2 : 1;
}

/** A word as it can be pasted into a POSIX shell. */
export function quoted(word: string): string {
  return /^[\w./:@=+-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
