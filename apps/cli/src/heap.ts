import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

const MIB = 1024 * 1024;

/** Bytes of the young generation, both halves together, from which it grows no more. */
const MOST_YOUNG = 16 * MIB;

/** Percent of garbage, beside what is in use, at which the old generation is collected. */
const GARBAGE_PERCENT = 30;

/** Milliseconds between two looks. */
const EVERY_MS = 5;

/**
 * Lets V8 collect garbage sooner than where memory is plenty, from now to the end of the process: left alone it
 * takes some hundred megabytes more than a deploy of many files needs. V8 reads both settings anew whenever it has
 * collected.
 */
export function keepHeapSmall(): void {
  set("heap-growing-percent", GARBAGE_PERCENT);
  const timer = setInterval(() => {
    if (youngBytes() < MOST_YOUNG) return;
    set("semi-space-growth-factor", 1); // as large as it is
    clearInterval(timer);
  }, EVERY_MS).unref();
}

function set(flag: string, value: number): void {
  setFlagsFromString(`--${flag}=${value}`);
}

/** What V8 has taken for the young generation. */
function youngBytes(): number {
  const isYoung = ({ space_name: name }: { readonly space_name: string }): boolean =>
    name === "new_space";
  return getHeapSpaceStatistics().find(isYoung)?.space_size ?? 0;
}
