import { Buffer } from "node:buffer";
import { type Entry, type Manifest, manifestText } from "@lockstep/artifact";

/**
 * How a host makes one manifest out of another that it has, as a script for sed; undefined when there is
 * nothing to start from.
 *
 * Only `d`, `i\` and `$a\` by line number: they mean the same to every sed. Manifests hold no backslash and
 * no line break, and no line of theirs starts with a space.
 *
 * @see POSIX.1-2024, sed, "Editing Commands in sed"
 */
export function editOf(before: Manifest, after: Manifest): string | undefined {
  if (before.length === 0) return undefined;
  const script: string[] = [];
  const rest = [...after];
  let next = 0;
  for (const [index, old] of before.entries()) {
    const line = index + 1;
    const isLast = line === before.length;
    const start = next;
    while (next < rest.length && compare(rest[next], old) < 0) next += 1;
    const same = rest[next];
    const isSame = same !== undefined && compare(same, old) === 0;
    const isEqual = isSame && textOf(same) === textOf(old);
    if (isSame) next += 1;
    // what follows a last line that goes is put before it: not every sed appends to a line it deletes
    const end = isLast && !isEqual ? rest.length : isEqual ? next - 1 : next;
    script.push(...rest.slice(start, end).flatMap((entry) => [`${line}i\\`, textOf(entry)]));
    if (!isEqual) script.push(`${line}d`);
    next = Math.max(next, end);
  }
  script.push(...rest.slice(next).flatMap((entry) => ["$a\\", textOf(entry)]));
  return script.map((line) => `${line}\n`).join("");
}

function textOf(entry: Entry): string {
  return manifestText([entry]).slice(0, -1);
}

/** The order of manifests: by the bytes of the paths. */
function compare(one: Entry | undefined, other: Entry): number {
  if (one === undefined) return 1;
  return Buffer.compare(Buffer.from(one.path), Buffer.from(other.path));
}
