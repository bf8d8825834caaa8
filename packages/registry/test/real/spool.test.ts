import { lchown, mkdir, mkdtemp, readdir, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { makeSpool } from "../../src/spool.ts";

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

/** A folder that was last written so many hours ago. */
async function left(name: string, hours: number, now: number): Promise<string> {
  const path = join(folder, name);
  await mkdir(path);
  const then = new Date(now - hours * HOUR);
  await utimes(path, then, then);
  return path;
}

it("a folder for layers of another account stays, however old", async () => {
  const now = Date.now();
  await lchown(await left("lockstep-layers-theirs", 99, now), 65_534, 65_534);

  await makeSpool(now);

  expect(await readdir(folder)).toContain("lockstep-layers-theirs");
});
