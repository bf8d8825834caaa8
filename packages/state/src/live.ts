import { canonicalJson, type Json, type Live } from "@lockstep/plugin";

/** The units of every target, as they were read. */
export type LiveByTarget = Readonly<Record<string, readonly Live[]>>;

/** One way in which what is live differs from what it should be. */
export interface Difference {
  readonly target: string;
  readonly unit: string | undefined;
  readonly wanted: Json | null;
  /** Absent when the unit could not be read. */
  readonly found?: Json | null;
}

/** Compares what should be live with what is; stamps and kept releases do not matter. */
export function differencesOf(
  wanted: LiveByTarget,
  seen: Readonly<Record<string, { readonly live: readonly Live[] }>>,
): Difference[] {
  return Object.entries(wanted).flatMap(([target, units]) => {
    const byUnit = new Map(seen[target]?.live.map((live) => [live.unit, live]));
    return units.flatMap(({ unit, ref }) => {
      const now = byUnit.get(unit);
      if (now === undefined) return [{ target, unit, wanted: ref }];
      return canonicalJson(now.ref) === canonicalJson(ref)
        ? []
        : [{ target, unit, wanted: ref, found: now.ref }];
    });
  });
}

/**
 * A unit that was renamed or taken away since, with its target; one that only cannot be read is not missing.
 *
 * @returns `[target, unit]`, or undefined when all are there.
 */
export function missingUnit(
  wanted: LiveByTarget,
  seen: Readonly<
    Record<string, { readonly live: readonly Live[]; readonly errors: readonly unknown[] }>
  >,
): readonly [string, string] | undefined {
  const missing = differencesOf(wanted, seen).find(
    ({ target, found }) => found === undefined && seen[target]?.errors.length === 0,
  );
  return missing === undefined ? undefined : [missing.target, missing.unit ?? ""];
}
