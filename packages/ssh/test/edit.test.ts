import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Entry, type Manifest, manifestText } from "@lockstep/artifact";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { editOf } from "../src/edit.ts";

/** The same numbers for the same seed, in [0, 1). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

function randomManifest(next: () => number): Manifest {
  const names = ["a", "a b", "b$", "c/", "d&", "e's", "é", "z"];
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
