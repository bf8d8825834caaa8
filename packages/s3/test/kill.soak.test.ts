import { expect, it } from "vitest";
import { killAt } from "./kill-sweep.ts";

it.each(["back", "forward", "deploy"] as const)(
  "a deploy that is killed at any request is taken over (%s), and every page is whole at every moment",
  { timeout: 1_800_000 },
  async (next) => {
    let asked = Infinity;
    for (let at = 1; at <= asked; at += 1) {
      for (const when of ["before", "after"] as const) {
        const got = await killAt({ at, when, next });
        // a request that was not reached any more was the end
        if (got < at) asked = got;
      }
    }
    expect(asked).toBeLessThan(60);
  },
);
