import { compareManifests, type Entry, type Manifest } from "@lockstep/artifact";
import { describe, expect, it } from "vitest";

const file = (path: string, content = "0", mode = 0o644): Entry => ({
  type: "file",
  path,
  mode,
  size: 5,
  digest: `sha256:${content.repeat(64)}`,
});
const directory = (path: string): Entry => ({ type: "directory", path, mode: 0o755 });
const link = (path: string, target: string): Entry => ({ type: "link", path, target });

describe("the comparison of two manifests", () => {
  it("finds nothing between equal ones", () => {
    const manifest: Manifest = [directory("a"), file("a/b"), directory("c"), link("d", "c")];

    expect(compareManifests(manifest, manifest)).toEqual({ changes: [], unchanged: 3 });
    expect(compareManifests([], [])).toEqual({ changes: [], unchanged: 0 });
  });

  it("tells what is added, changed and removed, and why", () => {
    const before = [file("changed", "1"), file("mode"), file("removed"), file("same")];
    const after = [file("added"), file("changed", "2"), file("mode", "0", 0o755), file("same")];

    expect(compareManifests(before, after)).toEqual({
      changes: [
        { action: "add", what: "added", reason: "absent", bytes: 5 },
        {
          action: "change",
          what: "changed",
          reason: "content",
          bytes: 5,
          before: `sha256:${"1".repeat(64)}`,
          after: `sha256:${"2".repeat(64)}`,
        },
        { action: "change", what: "mode", reason: "mode", bytes: 5, before: "644", after: "755" },
        { action: "remove", what: "removed", reason: "stale" },
      ],
      unchanged: 1,
    });
  });

  it("sees a link that points elsewhere", () => {
    expect(compareManifests([link("a", "b")], [link("a", "c")]).changes).toEqual([
      { action: "change", what: "a", reason: "content", before: "link to b", after: "link to c" },
    ]);
  });

  it("lists directories only where they are empty", () => {
    const full = [directory("logs"), file("logs/a")];

    expect(compareManifests([], full).changes.map(({ what }) => what)).toEqual(["logs/a"]);
    expect(compareManifests([], [directory("logs")]).changes).toEqual([
      { action: "add", what: "logs", reason: "absent" },
    ]);
    expect(compareManifests([directory("logs")], full).changes).toEqual([
      { action: "add", what: "logs/a", reason: "absent", bytes: 5 },
    ]);
    expect(compareManifests(full, [directory("logs")])).toEqual({
      changes: [{ action: "remove", what: "logs/a", reason: "stale" }],
      unchanged: 1,
    });
    expect(compareManifests([directory("logs")], []).changes).toEqual([
      { action: "remove", what: "logs", reason: "stale" },
    ]);
  });

  it("sees a file that became a directory, and the other way round", () => {
    const full = [directory("a"), file("a/b")];
    const changes = (before: Manifest, after: Manifest): string[] =>
      compareManifests(before, after).changes.map(({ action, what }) => `${action} ${what}`);

    expect(changes([file("a")], full)).toEqual(["remove a", "add a/b"]);
    expect(changes(full, [file("a")])).toEqual(["change a", "remove a/b"]);
    expect(changes([file("a")], [directory("a")])).toEqual(["change a"]);
    expect(changes([directory("a")], [link("a", "b")])).toEqual(["change a"]);
  });
});
