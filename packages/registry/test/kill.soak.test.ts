import { describe, expect, it } from "vitest";
import { killAt } from "./kill-sweep.ts";

describe.each([
  ["tags", { deletes: "tags" }],
  ["digests alone", { deletes: "digests" }],
] as const)("a push of four tags that is killed, where %s can be deleted", (_name, quirks) => {
  it(
    "at any request is put back, and every tag can be pulled at every moment",
    { timeout: 900_000 },
    async () => {
      let asked = Infinity;
      for (let at = 1; at <= asked; at += 1) {
        for (const when of ["before", "after"] as const) {
          const got = await killAt({ at, when }, quirks);
          // a push that was not reached any more got to its end
          if (got < at) asked = got;
        }
      }
      expect(asked).toBeLessThan(60);
    },
  );
});
