import type { Outcome } from "@lockstep/core";
import type { About } from "@lockstep/events";
import { placeText, safeText } from "./text.ts";

type LiveByTarget = Outcome["live"];

/** A target's name of a release, in words: its `release` where it has one. */
export function refText(ref: unknown): string {
  if (ref === null || ref === undefined) return "nothing";
  if (typeof ref === "string") return safeText(ref);
  const release = typeof ref === "object" && "release" in ref ? ref.release : undefined;
  return safeText(typeof release === "string" ? release : JSON.stringify(ref));
}

/** The one release that every unit serves; undefined when they differ, or serve nothing. */
export function commonRelease(live: LiveByTarget): string | undefined {
  const refs = Object.values(live).flat();
  const [first, ...others] = new Set(refs.map(({ ref }) => refText(ref)));
  return others.length > 0 || refs.every(({ ref }) => ref === null) ? undefined : first;
}

/**
 * What is live now, as lines of text: one sentence where all units agree.
 *
 * @param only - The targets of the run, where it was not about all.
 */
export function liveLines(live: LiveByTarget, only?: readonly string[]): string[] {
  const refs = Object.values(live).flat();
  if (refs.length === 0) return [];
  const where = only === undefined ? "every target" : only.map(safeText).join(", ");
  const release = commonRelease(live);
  if (release !== undefined) return [`Release ${release} is live on ${where}.`];
  if (refs.every(({ ref }) => ref === null)) {
    return [only === undefined ? "Nothing is live on any target." : `Nothing is live on ${where}.`];
  }
  return ["Live now:", ...unitLines(live)];
}

/** Units that a problem names and that could not be read: nobody knows what they serve. */
export function unknownUnits({ live, diagnostics }: Outcome): readonly About[] {
  const isSeen = ({ target = "", unit }: About): boolean =>
    live[target]?.some((seen) => seen.unit === unit) === true;
  const unknown = diagnostics.filter((problem) => problem.unit !== undefined && !isSeen(problem));
  return [...new Map(unknown.map((about) => [placeText(about), about])).values()];
}

/** One line for each unit. */
export function unitLines(live: LiveByTarget): string[] {
  return Object.entries(live).flatMap(([target, units]) =>
    units.map(({ unit, ref }) => `  ${placeText({ target, unit })}  ${refText(ref)}`),
  );
}
