/**
 * A guard that refuses a source; each may be switched off by name.
 *
 * - `secrets`: files that hold credentials, by name or by content. Switched off, they are shipped.
 * - `links`: symbolic links that are absolute, leave the source or go in circles. Switched off, they
 *   are shipped as they are.
 * - `twins`: names that differ only in case or Unicode form. Switched off, all are shipped.
 * - `names`: names and link targets that are not UTF-8 or hold control characters or backslashes.
 *   No manifest can hold them: switched off, they are left out.
 * - `special`: sockets, fifos, devices, submodules. Switched off, they are left out.
 * - `root`: a source that is `/`, the home directory or the root of a repository.
 */
export type GuardName = "secrets" | "links" | "names" | "twins" | "special" | "root";

/** One entry that a guard refused. */
export interface Offender {
  /** Path, already in a form that may be printed. */
  readonly path: string;
  readonly guard: GuardName;
  /** Half a sentence: `its name holds a backslash`. */
  readonly reason: string;
}

/** What the guards said so far. */
export interface Verdict {
  readonly offenders: readonly Offender[];
  /** Notes an offender, unless its guard is switched off; tells whether it is refused. */
  refuse(offender: Offender): boolean;
  isOn(guard: GuardName): boolean;
}

/** Starts with no offenders; the guards in `allow` are off. */
export function verdict(allow: readonly GuardName[] = []): Verdict {
  const offenders: Offender[] = [];
  const isOn = (guard: GuardName): boolean => !allow.includes(guard);
  return {
    offenders,
    isOn,
    refuse(offender) {
      if (!isOn(offender.guard)) return false;
      offenders.push(offender);
      return true;
    },
  };
}

/**
 * Pairs of sibling names that are one name on file systems that ignore case or Unicode form.
 *
 * @returns For each twin but the first, the name it collides with.
 */
export function twins(names: readonly string[]): ReadonlyMap<string, string> {
  const first = new Map<string, string>();
  const found = new Map<string, string>();
  for (const name of names) {
    const key = name.toUpperCase().toLowerCase().normalize("NFC");
    const other = first.get(key);
    if (other === undefined) first.set(key, name);
    else found.set(name, other);
  }
  return found;
}
