import { artifactErrors } from "@lockstep/artifact";
import { expect, it } from "vitest";

it("exports exactly the agreed names", async () => {
  const names = Object.keys(await import("@lockstep/artifact"));

  expect(names.toSorted()).toEqual([
    "artifactErrors",
    "byUtf8",
    "compareManifests",
    "manifestDigest",
    "manifestText",
    "nothingSeen",
    "parseManifest",
    "readSource",
    "tarStream",
  ]);
});

it("explains every error code in sentences", () => {
  const codes = Object.keys(artifactErrors);

  expect(codes).toEqual(codes.toSorted());
  for (const { when, why, fix } of Object.values(artifactErrors)) {
    for (const text of [when, why, fix]) expect(text).toMatch(/^[A-Z].+\.$/);
  }
});
