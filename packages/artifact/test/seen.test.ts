import { renameSync, utimesSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Seen } from "@lockstep/artifact";
import { describe, expect, it } from "vitest";
import { failure, folder, put, read } from "./folder.ts";

/** Milliseconds after which a change of a file can be told from the next. */
const SETTLED_MS = 150;

const OTHER = `sha256:${"0".repeat(64)}` as const;

/** A folder that was read once, whose file changed long enough before. */
async function readOnce(): Promise<{ readonly root: string; readonly seen: Seen }> {
  const root = folder({ "dir/a": "abc" });
  await sleep(SETTLED_MS);
  const seen: Seen = new Map();
  await read(root, { seen });
  return { root, seen };
}

describe("a source that was seen before", () => {
  it("is the same, without being read again", async () => {
    const { root, seen } = await readOnce();
    expect((await read(root, { seen })).digest).toBe((await read(root)).digest);

    const { state = "" } = seen.get("dir/a") ?? {};
    seen.set("dir/a", { state, digest: OTHER });

    expect((await read(root, { seen })).manifest).toContainEqual(
      expect.objectContaining({ path: "dir/a", digest: OTHER }),
    );
  });

  it.each([
    ["written to", (file: string) => put(file, "abd")],
    [
      "written to, and its times set back",
      (file: string) => {
        put(file, "abd");
        utimesSync(file, 1, 1);
      },
    ],
    [
      "replaced",
      (file: string) => {
        put(`${file}.new`, "abd");
        renameSync(`${file}.new`, file);
      },
    ],
  ])("is read anew where a file was %s", async (_, change) => {
    const { root, seen } = await readOnce();
    change(`${root}/dir/a`);

    const artifact = await read(root, { seen });

    expect(artifact.digest).toBe((await read(root)).digest);
  });

  it("is read anew where a file changed just before it was read", async () => {
    const root = folder({ a: "abc" });
    const seen: Seen = new Map();
    await read(root, { seen });

    expect(seen.size).toBe(0);
  });

  it("is refused again where it was refused", async () => {
    const key = `-----BEGIN PRIVATE KEY-----\n${"A".repeat(64)}\n`;
    const root = folder({ a: key });
    await sleep(SETTLED_MS);
    const seen: Seen = new Map();

    for (const _ of [1, 2]) {
      expect((await failure(read(root, { seen }))).code).toBe("SOURCE_REFUSED");
    }
  });
});
