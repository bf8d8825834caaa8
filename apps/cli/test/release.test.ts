import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { newRelease } from "../src/release.ts";

const NOW = new Date("2026-11-21T10:15:00.123Z");

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lockstep-release-"));
});
afterEach(() => rm(folder, { recursive: true }));

function git(...words: readonly string[]): string {
  const who = ["-c", "user.name=ana", "-c", "user.email=ana@shop.example"];
  return execFileSync("git", ["-C", folder, ...who, ...words], { encoding: "utf8" }).trim();
}

describe("a release", () => {
  it("without a commit is named after the time and at random", async () => {
    const outside = await newRelease(folder, NOW);
    git("init", "-q");
    const empty = await newRelease(folder, NOW);

    for (const release of [outside, empty]) {
      expect(release).toEqual({
        id: expect.stringMatching(/^20261121T101500Z-[0-9a-f]{8}$/) as string,
        createdAt: "2026-11-21T10:15:00.123Z",
      });
    }
    expect(empty.id).not.toBe(outside.id);
  });

  it("in a work tree is named after the time and the commit, and ordered by the commit's time", async () => {
    git("init", "-q");
    git("commit", "-q", "--allow-empty", "-m", "first", "--date=2026-01-02T03:04:05Z");

    const release = await newRelease(folder, NOW);

    const commit = git("rev-parse", "HEAD");
    expect(release).toEqual({
      id: `20261121T101500Z-${commit.slice(0, 8)}`,
      createdAt: "2026-11-21T10:15:00.123Z",
      commit,
      order: Number(git("log", "-1", "--format=%ct")),
    });
  });
});
