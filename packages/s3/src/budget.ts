/** Bytes that may be held at once. */
export interface Budget {
  /** Runs when there is room; what is larger than the whole budget runs alone. */
  run<T>(bytes: number, act: () => Promise<T>): Promise<T>;
}

/** Lets waiting work in by turns, so that something large is not overtaken for ever. */
export function createBudget(most: number): Budget {
  let held = 0;
  const waiting: { readonly bytes: number; enter(): void }[] = [];
  const admit = (): void => {
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      if (held > 0 && held + next.bytes > most) return;
      waiting.shift();
      held += next.bytes;
      next.enter();
    }
  };
  return {
    async run(bytes, act) {
      await new Promise<void>((enter) => {
        waiting.push({ bytes, enter });
        admit();
      });
      try {
        return await act();
      } finally {
        held -= bytes;
        admit();
      }
    },
  };
}
