/**
 * Tells which paths a pattern matches: `*` stands for part of a name, `**` for any part of a path,
 * `**` with a slash after it also for nothing. A slash at its start does not count.
 */
export function matcher(pattern: string): (path: string) => boolean {
  const parts = pattern.replace(/^\//, "").split(/(\*\*\/|\*\*|\*)/);
  const source = parts.map((part) => WILD[part] ?? escaped(part)).join("");
  const whole = new RegExp(`^${source}$`, "u");
  return (path) => whole.test(path);
}

const WILD: Readonly<Record<string, string>> = { "**/": "(?:.*/)?", "**": ".*", "*": "[^/]*" };

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.|?+()[\]{}/-]/g, String.raw`\$&`);
}
