import { expect, it } from "vitest";
import { sandboxPlace } from "./cut-places.ts";
import { cutAt } from "./cut-sweep.ts";

it.each(["up", "down"] as const)(
  "a deploy whose connection ends at any request (%s) is the release that was built",
  { timeout: 600_000 },
  async (direction) => {
    let at = 1;
    for (; ; at += 1) {
      const { isCut, wrong } = await cutAt({ direction, at }, sandboxPlace);
      expect(wrong, `request ${at}`).toEqual([]);
      if (!isCut) break;
    }
    expect(at).toBeGreaterThan(20);
  },
);
