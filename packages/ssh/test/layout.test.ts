import { describe, expect, it } from "vitest";
import { parseFacts } from "../src/facts.ts";
import { orderOf, parseStamp, releaseOf, stampName } from "../src/layout.ts";

describe("stamps", () => {
  it("survive being the name of a directory", () => {
    const stamp = { lineage: "0f".repeat(16), epoch: 12, run: "shop-000012-1a2b3c4d" };

    expect(parseStamp(stampName(stamp))).toEqual(stamp);
  });

  it.each(["", "*", "lost+found", "a.b.c", "a.1"])("are not read from %j", (name) => {
    expect(parseStamp(name)).toBeUndefined();
  });
});

describe("releaseOf", () => {
  it("reads the release a link names", () => {
    expect(releaseOf("releases/20261121T101500Z-4f9c2d1a")).toBe("20261121T101500Z-4f9c2d1a");
  });

  it.each([
    "",
    "releases/",
    "releases/.",
    "releases/../x",
    "/srv/a",
    "releases/a/b",
    "releases/a\nb",
  ])("does not take %j for a release", (link) => {
    expect(releaseOf(link)).toBeUndefined();
  });
});

describe("orderOf", () => {
  it("puts the release that was live last first, each once", () => {
    expect(orderOf(["live a r1", "live a -", "live b r2", "live b -", "live a r3"])).toEqual([
      "a",
      "b",
    ]);
  });

  it("forgets what a run put back", () => {
    const log = ["live c r0", "live a r1", "live b r2", "live a r3", "undo - r3"];

    expect(orderOf(log)).toEqual(["b", "a", "c"]);
  });

  it("counts what a run did after it had put something back", () => {
    expect(orderOf(["live a r1", "live b r2", "undo - r2", "live b r2"])).toEqual(["b", "a"]);
  });

  it("skips lines that are torn", () => {
    expect(orderOf(["li", "live", "live a r1", "", "liv"])).toEqual(["a"]);
  });
});

describe("parseFacts", () => {
  it("takes a host that says nothing for one that may not be written to", () => {
    expect(parseFacts("")).toMatchObject({ path: "denied", layout: undefined, releases: [] });
  });

  it("reads disks with spaces in their names", () => {
    const line = "disk //nas/a b  1000 400 600  40% /mnt/a b";

    expect(parseFacts(line).disks).toEqual([{ freeBytes: 614_400, mount: "/mnt/a b" }]);
  });

  it("keeps a release whose meta is damaged, as one that is not ready", () => {
    expect(parseFacts("release a - - - there").releases).toEqual([
      { id: "a", state: "-", run: "-", digest: "-", hasTree: true, key: "-", seal: "-" },
    ]);
  });
});
