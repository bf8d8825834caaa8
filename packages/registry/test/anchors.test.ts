import { expect, it } from "vitest";
import { createAnchors } from "../src/anchors.ts";
import { digestOf } from "../src/digest.ts";

const ONE = digestOf(Buffer.from("one"));
const TWO = digestOf(Buffer.from("two"));

it("anchors are listed once and read once, until one is made or removed", async () => {
  const there = new Map([["release-1", ONE]]);
  const asked: string[] = [];
  const anchors = createAnchors();
  const look = (): Promise<readonly string[]> =>
    anchors.digests({
      async list() {
        asked.push("list");
        return [...there.keys()].toReversed();
      },
      async read(tag) {
        asked.push(tag);
        return there.get(tag);
      },
    });

  expect([await look(), await look()]).toEqual([[ONE], [ONE]]);
  expect(asked).toEqual(["list", "release-1"]);

  there.set("release-2", TWO);
  anchors.forget("release-2");
  expect(await look()).toEqual([TWO, ONE]);
  expect(asked.slice(2)).toEqual(["list", "release-2"]);
});

it("a failure to list anchors is not remembered", async () => {
  const anchors = createAnchors();
  const read = async (): Promise<typeof ONE> => ONE;

  await expect(
    anchors.digests({ list: () => Promise.reject(new Error("503")), read }),
  ).rejects.toThrow("503");
  expect(await anchors.digests({ list: async () => ["release-1"], read })).toEqual([ONE]);
});
