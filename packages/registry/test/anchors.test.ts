import { describe, expect, it } from "vitest";
import { anchorOf, anchorsIn, createKnownTags } from "../src/anchors.ts";
import { digestOf } from "../src/digest.ts";
import { createGlance, type Tags } from "../src/glance.ts";

const ONE = digestOf(Buffer.from("one"));
const TWO = digestOf(Buffer.from("two"));

describe("anchors", () => {
  const first = { createdAt: "2026-11-21T10:15:00.123Z" };
  const second = { createdAt: "2026-11-21T10:15:01Z" };

  it("say what they point at, and are told from other tags, the newest release first", () => {
    const tags = [
      anchorOf("release-", first, { digest: ONE }),
      anchorOf("release-", second, { digest: ONE, isBefore: true }),
      anchorOf("release-", second, { digest: TWO }),
    ];

    expect(tags[0]).toBe(`release-20261121T101500Z.${ONE.slice("sha256:".length)}`);
    expect(anchorsIn([...tags, "release-notes", "latest", `${tags[0]}0`], "release-")).toEqual([
      { tag: tags[2], made: "20261121T101501Z", digest: TWO, isBefore: false },
      { tag: tags[1], made: "20261121T101501Z", digest: ONE, isBefore: true },
      { tag: tags[0], made: "20261121T101500Z", digest: ONE, isBefore: false },
    ]);
  });
});

describe("tags that a run knows", () => {
  it("are listed once, and known again after each write of the run", async () => {
    let lists = 0;
    const tags = createKnownTags();
    const list = async (): Promise<readonly string[]> => {
      lists += 1;
      return ["latest", "release-1"];
    };

    expect([await tags.all(list), await tags.all(list)]).toEqual([
      ["latest", "release-1"],
      ["latest", "release-1"],
    ]);
    await tags.write({ made: "release-2" }, async () => {});
    await tags.write({ made: "release-2" }, async () => {});
    await tags.write({ removed: "release-1" }, async () => {});

    expect(await tags.all(list)).toEqual(["latest", "release-2"]);
    expect(lists).toBe(1);
  });

  it("are listed anew after a write that failed, and after a list that did", async () => {
    const tags = createKnownTags();
    const lost = (): Promise<never> => Promise.reject(new Error("503"));

    await expect(tags.all(lost)).rejects.toThrow("503");
    expect(await tags.all(async () => ["latest"])).toEqual(["latest"]);
    await expect(tags.write({ made: "release-1" }, lost)).rejects.toThrow("503");
    expect(await tags.all(async () => ["release-1"])).toEqual(["release-1"]);
  });
});

describe("a look at the tags", () => {
  const tags: Tags = new Map([["latest", null]]);

  it("serves one plan, soon after it, and none after tags were moved", () => {
    let now = 0;
    const glance = createGlance({ now: () => now }, 10_000);

    glance.keep(tags);
    expect([glance.take(), glance.take()]).toEqual([tags, undefined]);
    glance.keep(tags);
    now = 10_000;
    expect(glance.take()).toBeUndefined();
    glance.keep(tags);
    glance.forget();
    expect(glance.take()).toBeUndefined();
  });
});
