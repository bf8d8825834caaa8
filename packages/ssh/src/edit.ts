import { byUtf8, type Entry, type Manifest, manifestText } from "@lockstep/artifact";

/** Something about two manifests. */
type OfPair<T> = (before: Manifest, after: Manifest) => T;

/** Works it out once: most hosts of a target have the same. */
function oncePerPair<T>(work: OfPair<T>): OfPair<T> {
  const known = new WeakMap<Manifest, { readonly after: WeakRef<Manifest>; readonly found: T }>();
  return (before, after) => {
    const last = known.get(before);
    if (last?.after.deref() === after) return last.found;
    const found = work(before, after);
    known.set(before, { after: new WeakRef(after), found });
    return found;
  };
}

/**
 * How a host makes one manifest out of another that it has, as a script for sed; undefined when there is
 * nothing to start from.
 *
 * Only `d`, `i\` and `$a\` by line number: they mean the same to every sed. Manifests hold no backslash and
 * no line break, and no line of theirs starts with a space.
 *
 * @see POSIX.1-2024, sed, "Editing Commands in sed"
 */
export const editOf: OfPair<string | undefined> = oncePerPair((before, after) => {
  if (before.length === 0) return undefined;
  const script: string[] = [];
  const put = (entries: Manifest, where: string): void => {
    for (const entry of entries) script.push(`${where}\\`, textOf(entry));
  };
  let next = 0;
  for (const [index, old] of before.entries()) {
    const line = index + 1;
    const isLast = line === before.length;
    const start = next;
    while (next < after.length && compare(after[next], old) < 0) next += 1;
    const same = after[next];
    const isSame = same !== undefined && compare(same, old) === 0;
    const isEqual = isSame && isSameEntry(same, old);
    if (isSame) next += 1;
    // what follows a last line that goes is put before it: not every sed appends to a line it deletes
    const end = isLast && !isEqual ? after.length : isEqual ? next - 1 : next;
    put(after.slice(start, end), `${line}i`);
    if (!isEqual) script.push(`${line}d`);
    next = Math.max(next, end);
  }
  put(after.slice(next), "$a");
  return script.map((line) => `${line}\n`).join("");
});

function textOf(entry: Entry): string {
  return manifestText([entry]).slice(0, -1);
}

/** Tells whether two entries of manifests say the same. */
function isSameEntry(one: Entry, other: Entry): boolean {
  if (one.type !== other.type || one.path !== other.path) return false;
  if (one.type === "link") return one.target === (other as typeof one).target;
  if (one.mode !== (other as typeof one).mode) return false;
  return one.type === "directory" || one.digest === (other as typeof one).digest;
}

/** Paths of a manifest whose entries are not the same in another one. */
export const changedPaths: OfPair<readonly string[]> = oncePerPair((before, after) => {
  let next = 0;
  return after.flatMap((entry) => {
    let old = before[next];
    while (old !== undefined && compare(old, entry) < 0) old = before[(next += 1)];
    return old !== undefined && isSameEntry(old, entry) ? [] : [entry.path];
  });
});

/** The order of manifests: by the bytes of the paths. */
function compare(one: Entry | undefined, other: Entry): number {
  return one === undefined ? 1 : byUtf8(one.path, other.path);
}
