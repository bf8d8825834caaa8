import { expect, it } from "vitest";

it("exports these names and no others", async () => {
  expect(Object.keys(await import("../src/index.ts")).toSorted()).toMatchInlineSnapshot(`
    [
      "API_VERSION",
      "LockstepError",
      "SHORTEST_SECRET",
      "canonicalJson",
      "checkOptions",
      "defineTarget",
      "fenced",
      "isLockstepError",
      "isSecret",
      "isStore",
      "isStoreKey",
      "isTarget",
      "planned",
      "pluginErrors",
      "raising",
      "readSecret",
      "secret",
      "sourceChanged",
      "stepConflict",
    ]
  `);
});
