import { expect, it } from "vitest";

it("exports what a config needs and nothing else", async () => {
  expect(Object.keys(await import("@lockstep/http"))).toEqual(["http"]);
});
