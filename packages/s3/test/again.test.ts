import { describe, expect, it } from "vitest";
import { Rig } from "./rig.ts";

/** A script whose name may hold a digest, and does not. */
const SCRIPT = "MyComponent.js";

function site(word: string): Record<string, string> {
  return {
    "index.html": `<!doctype html><title>${word}</title><script src="/${SCRIPT}"></script>`,
    [SCRIPT]: `console.log("${word}")`,
  };
}

describe("an earlier build that is deployed again", () => {
  it.each([
    [
      "while all releases are kept",
      { releases: 5, days: 7 },
      ["one", "two", "one", "three", "one"],
    ],
    ["after it was collected", { releases: 2, days: 0 }, ["one", "two", "three", "four", "one"]],
  ])(
    "brings back %s what was in place then and has been replaced since",
    async (_, keep, words) => {
      await using rig = await Rig.open({ keep });
      for (const word of words) {
        await rig.retire(await rig.deploy(site(word)));
        expect(rig.text(SCRIPT)).toBe(site(word)[SCRIPT]);
      }
    },
  );
});
