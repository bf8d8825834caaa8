import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Artifact, nothingSeen, type Seen } from "@lockstep/artifact";
import { describe, expect, it } from "vitest";
import { failure, folder, put, read } from "./folder.ts";

/** Milliseconds after which a change of a file can be told from the next. */
const SETTLED_MS = 150;

const OTHER = `sha256:${"0".repeat(64)}` as const;

/** A folder that was read once, whose file changed long enough before. */
async function readOnce(): Promise<{
  readonly root: string;
  readonly seen: Seen;
  readonly artifact: Artifact;
}> {
  const root = folder({ "dir/a": "abc", "dir/deep/b": "b", "dir/l": { link: "a" } });
  await sleep(SETTLED_MS);
  const seen = nothingSeen();
  const artifact = await read(root, { seen });
  return { root, seen, artifact };
}

describe("a source that was seen before", () => {
  it("is the same, without being read again", async () => {
    const { root, seen, artifact } = await readOnce();

    expect(await read(root, { seen })).toBe(artifact);
    expect(await read(root, { seen })).toBe(artifact);
  });

  it("is read again in part where something else is there", async () => {
    const { root, seen } = await readOnce();
    const { state = "" } = seen.files.get("dir/a") ?? {};
    seen.files.set("dir/a", { state, digest: OTHER });
    put(`${root}/c`, "c");

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
    ["removed", (file: string) => rmSync(file)],
    ["joined by another", (file: string) => put(`${file}2`, "")],
    ["joined by an empty folder", (file: string) => mkdirSync(`${file}2`)],
    ["made executable", (file: string) => chmodSync(file, 0o755)],
    [
      "the aim of a link that aims elsewhere now",
      (file: string) => {
        rmSync(join(dirname(file), "l"));
        symlinkSync("deep", join(dirname(file), "l"));
      },
    ],
    [
      "beside a folder that went",
      (file: string) => rmSync(`${dirname(file)}/deep`, { recursive: true }),
    ],
  ])("is read anew where a file was %s", async (_, change) => {
    const { root, seen, artifact } = await readOnce();
    change(`${root}/dir/a`);

    const found = await read(root, { seen });

    expect(found.manifest).toEqual((await read(root)).manifest);
    expect(found.digest).not.toBe(artifact.digest);
  });

  it("is read anew where a file changed just before it was read", async () => {
    const root = folder({ a: "abc" });
    const seen = nothingSeen();
    await read(root, { seen });

    expect(seen.files.size).toBe(0);
  });

  it("is refused again where it was refused", async () => {
    const key = `-----BEGIN PRIVATE KEY-----\n${"A".repeat(64)}\n`;
    const root = folder({ a: key });
    await sleep(SETTLED_MS);
    const seen = nothingSeen();

    for (const _ of [1, 2]) {
      expect((await failure(read(root, { seen }))).code).toBe("SOURCE_REFUSED");
    }
  });
});
