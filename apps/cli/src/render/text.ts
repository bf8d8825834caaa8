/** `1.3 MB`: decimal units, three digits at most. */
export function bytesText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? ""}`;
}

/** `340 ms`, `1.2 s`, `2 m 05 s` */
export function timeText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, "0")} s`;
}

/** `1 step`, `2 steps` */
export function countText(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

/** Text from elsewhere without anything that moves a cursor or starts a line. */
export function safeText(text: string): string {
  return text.replaceAll(/\p{Cc}\[[0-9;?]*[ -/]*[@-~]/gu, "").replaceAll(/\p{Cc}+/gu, " ");
}

/** Where something happened: `web web-1`. */
export function placeText({
  target,
  unit,
}: {
  readonly target?: string;
  readonly unit?: string;
}): string {
  return [target, unit].filter((part) => part !== undefined).join(" ");
}

/** Columns of equal width, two blanks between them. */
export function tableText(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  return rows.map((row) => `${line(row)}\n`).join("");
}
