import type { Surroundings } from "../src/surroundings.ts";

/** Surroundings whose time moves only when somebody sleeps, and then at once. */
export function fastSurroundings(name = "ada"): Surroundings & { clock: { ms: number } } {
  const clock = { ms: 1_700_000_000_000 };
  let serial = 0;
  return {
    clock,
    now: () => clock.ms,
    monotonic: () => clock.ms,
    random: () => 0.5,
    hex: (length) =>
      `${name}${(serial += 1)}`
        .split("")
        .map((c) => c.charCodeAt(0).toString(16))
        .join("")
        .padStart(length, "0")
        .slice(-length),
    async sleep(ms, signal) {
      signal?.throwIfAborted();
      await new Promise((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
      clock.ms += ms;
    },
    env: {},
    who: { user: name, machine: "host" },
  };
}
