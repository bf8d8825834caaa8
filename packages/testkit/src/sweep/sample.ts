/** How much of a sweep is done. */
export interface SampleOptions {
  readonly kills?: number;
  readonly seed?: number;
}

/** Some of `count` points, the same for the same seed and spread over all; all when none are to be left out. */
export function sampleOf(count: number, { kills = count, seed = 0 }: SampleOptions): number[] {
  if (kills >= count) return Array.from({ length: count }, (_, point) => point);
  const random = randomOf(seed);
  const width = count / kills;
  return Array.from({ length: kills }, (_, part) => Math.floor((part + random()) * width));
}

/** The same numbers in [0, 1) for the same seed: mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
