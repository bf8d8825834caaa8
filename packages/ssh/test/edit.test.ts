import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Entry, type Manifest, manifestText } from "@lockstep/artifact";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { changedPaths, editOf } from "../src/edit.ts";

/** The same numbers for the same seed, in [0, 1). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

function randomManifest(next: () => number): Manifest {
  const names = ["a", "a b", "b$", "c/", "d&", "e's", "z", "é", "\u{e000}", "\u{10000}"];
  return names.flatMap((name): Entry[] => {
    if (next() < 0.4) return [];
    const digest = `sha256:${String(Math.floor(next() * 3)).repeat(64)}` as const;
    return [{ type: "file", path: name.replace("/", "x"), mode: 0o644, size: 3, digest }];
  });
}

const SEDS: readonly (readonly [string, ...string[]])[] = [["sed"], ["busybox", "sed"]];

describe.each(SEDS)("an edit of a manifest by %s", (program, ...first: string[]) => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "lockstep-edit-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("makes any manifest out of any other", () => {
    const seed = Math.floor(Math.random() * 1e6);
    const next = numbers(seed);
    for (let round = 0; round < 60; round += 1) {
      const before = randomManifest(next);
      const after = randomManifest(next);
      const script = editOf(before, after);
      if (script === undefined) continue;
      writeFileSync(join(folder, "before"), manifestText(before));
      writeFileSync(join(folder, "edit"), script);

      const made = execFileSync(program, [...first, "-f", "edit", "before"], { cwd: folder });

      expect(made.toString(), `seed ${seed}, round ${round}`).toBe(manifestText(after));
    }
  });

  it("is empty for equal manifests, and there is none without one to start from", () => {
    const manifest = randomManifest(() => 0.5);

    expect(editOf(manifest, manifest)).toBe("");
    expect(editOf([], manifest)).toBeUndefined();
  });
});

describe("what changed between two manifests", () => {
  it("is every entry that is new or says something else", () => {
    const seed = Math.floor(Math.random() * 1e6);
    const next = numbers(seed);
    for (let round = 0; round < 200; round += 1) {
      const before = randomManifest(next);
      const after = randomManifest(next);
      const known = new Set(before.map((entry) => manifestText([entry])));

      const wanted = after.filter((entry) => !known.has(manifestText([entry])));
      const found = changedPaths(before, after);
      expect(found, `seed ${seed}`).toEqual(wanted.map(({ path }) => path));
    }
  });

  it("may be all of a large release, of which the host had one file", () => {
    const digest = `sha256:${"0".repeat(64)}` as const;
    const after = Array.from({ length: 200_000 }, (_, index): Entry => {
      const path = `f-${String(index).padStart(6, "0")}`;
      return { type: "file", path, mode: 0o644, size: 1, digest };
    });

    expect(changedPaths(after.slice(0, 1), after)).toHaveLength(199_999);
    expect(editOf(after.slice(0, 1), after)?.split("\n")).toHaveLength(2 * 199_999 + 1);
  });
});
