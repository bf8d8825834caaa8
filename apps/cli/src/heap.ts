import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

const MIB = 1024 * 1024;

/** Bytes of the young generation, both halves together, from which it grows no more. */
const MOST_YOUNG = 32 * MIB;

/** Bytes of the old generation up to which V8 collects when it likes to. */
const FREE_OLD = 24 * MIB;

/** Percent of garbage, beside what is in use, at which a larger old generation is collected. */
const GARBAGE_PERCENT = 30;

/** Milliseconds between two looks. */
const EVERY_MS = 25;

/** What V8 does by itself. */
const USUAL: Wish = { growth: 2, percent: 0 };

/** Settings that V8 reads anew whenever it has collected. */
interface Wish {
  /** By how much the young generation grows at a time; 1 keeps it as it is. */
  readonly growth: number;
  /** Percent of garbage in the old generation; 0 leaves that to V8. */
  readonly percent: number;
}

/**
 * Does something while V8 collects garbage sooner than where memory is plenty: left alone it takes some hundred
 * megabytes more than a deploy of many files needs. A small heap is left as it is.
 */
export async function inSmallHeap<T>(act: () => Promise<T>): Promise<T> {
  let now = USUAL;
  const set = (wish: Wish): void => {
    if (wish.growth !== now.growth) setFlagsFromString(`--semi-space-growth-factor=${wish.growth}`);
    if (wish.percent !== now.percent) setFlagsFromString(`--heap-growing-percent=${wish.percent}`);
    now = wish;
  };
  const timer = setInterval(() => set(wishFor(sizes())), EVERY_MS).unref();
  try {
    return await act();
  } finally {
    clearInterval(timer);
    set(USUAL);
  }
}

/** Bytes that V8 has taken for each generation. */
interface Sizes {
  readonly young: number;
  readonly old: number;
}

/** What V8 is to do with a heap of this size. */
export function wishFor({ young, old }: Sizes): Wish {
  return {
    growth: young < MOST_YOUNG ? USUAL.growth : 1,
    percent: old < FREE_OLD ? USUAL.percent : GARBAGE_PERCENT,
  };
}

function sizes(): Sizes {
  let [young, old] = [0, 0];
  for (const { space_name: name, space_size: bytes } of getHeapSpaceStatistics()) {
    if (name === "new_space") young += bytes;
    else if (name === "old_space") old += bytes;
  }
  return { young, old };
}
