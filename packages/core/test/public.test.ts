import { expect, it } from "vitest";

it("exports these names and no others", async () => {
  expect(Object.keys(await import("../src/index.ts")).toSorted()).toMatchInlineSnapshot(`
    [
      "CONFIG_FILES",
      "EXIT",
      "checkConfig",
      "coreErrors",
      "defineConfig",
      "deploy",
      "environmentOf",
      "exitOf",
      "isEmpty",
      "leavesOf",
      "loadConfig",
      "localStore",
      "nearest",
      "openJournal",
      "planDeploy",
      "planDigest",
      "readHistory",
      "readStatus",
      "realSurroundings",
      "recover",
      "rollback",
      "toDiagnostic",
    ]
  `);
});
