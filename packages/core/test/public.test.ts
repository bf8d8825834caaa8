import { expect, it } from "vitest";

it("exports these names and no others", async () => {
  expect(Object.keys(await import("../src/index.ts")).toSorted()).toMatchInlineSnapshot(`
    [
      "apply",
      "coreErrors",
      "deploy",
      "examine",
      "isEmpty",
      "planDeploy",
      "planDigest",
      "readStatus",
      "recover",
      "rollback",
    ]
  `);
});
