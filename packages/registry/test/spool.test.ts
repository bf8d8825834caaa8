import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { makeSpool } from "../src/spool.ts";

const HOUR = 3_600_000;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lockstep-spools-"));
  vi.stubEnv("TMPDIR", folder);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

/** A folder with a layer in it, last written so many hours ago. */
async function left(name: string, hours: number, now: number): Promise<string> {
  const path = join(folder, name);
  await mkdir(path);
  await writeFile(join(path, "layer"), "bytes");
  const then = new Date(now - hours * HOUR);
  await utimes(path, then, then);
  return path;
}

it("a folder for layers takes those away that killed runs left a day ago, and nothing else", async () => {
  const now = Date.now();
  await left("lockstep-layers-oldone", 25, now);
  await left("lockstep-layers-recent", 23, now);
  await left("somebody-elses", 99, now);
  await writeFile(join(folder, "lockstep-layers-file"), "");
  await utimes(join(folder, "lockstep-layers-file"), 0, 0);

  const made = await makeSpool(now);

  expect((await readdir(folder)).toSorted()).toEqual(
    [
      made.slice(folder.length + 1),
      "lockstep-layers-file",
      "lockstep-layers-recent",
      "somebody-elses",
    ].toSorted(),
  );
});
