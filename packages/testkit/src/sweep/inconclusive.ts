import { expect } from "vitest";

/** How many positions of a sweep may show nothing, and why they do. */
export interface MayMiss {
  /** Share of the positions, from 0 to 1; rounded down, so that a small sample may miss none. */
  readonly share: number;
  /** One line: why a position may never come. */
  readonly because: string;
}

/** What came of the positions of a sweep. */
export interface Tally {
  /** What was done at them: `deploy has 40 points; kills`. */
  readonly what: string;
  readonly tried: number;
  /** Those at which the fault came. */
  readonly struck: number;
}

/**
 * One line about a sweep: how many positions were tried, and how many of them showed nothing.
 *
 * Rejects when more showed nothing than the author of the plugin said there may be, and why; none without that.
 */
export function judge({ what, tried, struck }: Tally, mayMiss?: MayMiss): string {
  const missed = tried - struck;
  const why = missed > 0 && mayMiss !== undefined ? `: ${mayMiss.because}` : "";
  const text = `${what}: ${struck} of ${tried}, ${missed} inconclusive${why}`;
  expect(struck, text).toBeGreaterThan(0);
  expect(missed, text).toBeLessThanOrEqual(Math.floor(tried * (mayMiss?.share ?? 0)));
  return text;
}

/** How much earlier a position is tried again that never came, as a share of it. */
const EARLIER = 0.75;

/**
 * Strikes at a position; where it may never come, and did not, once more at an earlier one: a process that wrote less
 * at once than the one before it has fewer of them.
 */
export async function strikeAt(
  at: number,
  mayMiss: MayMiss | undefined,
  strike: (at: number) => Promise<boolean>,
): Promise<boolean> {
  if (await strike(at)) return true;
  return mayMiss !== undefined && at > 0 && (await strike(Math.floor(at * EARLIER)));
}
