/** Characters that mean themselves to a shell, to systemd and to everything that reads such files. */
const PLAIN = /^[0-9A-Za-z_./:@%+,=-]*$/;

/**
 * Variables as lines that a POSIX shell, systemd (`EnvironmentFile=`) and most readers of `.env` take for the same
 * values. In single quotes where that is enough; a value with one of those is in double quotes.
 *
 * @see POSIX.1-2024, Shell Command Language, 2.2 "Quoting"
 */
export function envText(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${quoted(value)}\n`)
    .join("");
}

function quoted(value: string): string {
  if (PLAIN.test(value)) return value;
  if (!value.includes("'")) return `'${value}'`;
  return `"${value.replaceAll(/["$`\\]/g, String.raw`\$&`)}"`;
}
