import { describe, expect, it } from "vitest";
import { killAt } from "./kill-sweep.ts";

describe.each([
  ["put back, where tags can be deleted", "back", { deletes: "tags" }],
  ["put back, where digests alone can be deleted", "back", { deletes: "digests" }],
  ["gone on with", "forward", {}],
] as const)("a push of four tags that is killed and %s", (_name, recover, quirks) => {
  it(
    "at any request: the tags agree, and each can be pulled at every moment",
    { timeout: 900_000 },
    async () => {
      let asked = Infinity;
      for (let at = 1; at <= asked; at += 1) {
        for (const when of ["before", "after"] as const) {
          const got = await killAt({ at, when, recover }, quirks);
          // a push that was not reached any more got to its end
          if (got < at) asked = got;
        }
      }
      expect(asked).toBeLessThan(60);
    },
  );
});
