const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };

/**
 * Reads a time as people write it: `90s`, `5m`, `1h`; whole numbers up to 999,999.
 *
 * @returns Milliseconds; undefined for anything else.
 */
export function parseDuration(text: string): number | undefined {
  const [, digits, unit = ""] = /^(\d{1,6})([smh])$/.exec(text) ?? [];
  const factor = UNITS[unit];
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor;
}
