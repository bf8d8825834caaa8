import { execFileSync } from "node:child_process";
import { rmSync, symlinkSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { directoryTree } from "../src/directory.ts";
import { bytesOf, failure, folder } from "./folder.ts";

describe("a file between listing and reading", () => {
  it("may have another size than it was listed with", async () => {
    const tree = directoryTree(folder({ a: "abc" }), "dist");

    const smaller = await failure(bytesOf(tree.read({ path: "a", size: 4 })));
    const larger = await failure(bytesOf(tree.read({ path: "a", size: 0 })));

    expect(smaller.code).toBe("SOURCE_CHANGED");
    expect(smaller.message).toBe("a changed after the plan: 3 bytes, planned 4 bytes.");
    expect(larger.message).toBe("a changed after the plan: more than 0 bytes, planned 0 bytes.");
  });

  it("may be gone, and so may its directory", async () => {
    const tree = directoryTree(folder(), "dist");

    expect((await failure(bytesOf(tree.read({ path: "a", size: 1 })))).code).toBe("SOURCE_CHANGED");
    expect((await failure(tree.children("sub"))).code).toBe("SOURCE_CHANGED");
  });

  it("may have become a link, which is not followed", async () => {
    const root = folder({ secret: "abc", "sub/a": "abc" });
    rmSync(`${root}/sub/a`);
    symlinkSync("../secret", `${root}/sub/a`);

    const error = await failure(
      bytesOf(directoryTree(root, "dist").read({ path: "sub/a", size: 3 })),
    );

    expect(error.code).toBe("SOURCE_CHANGED");
  });

  it("may have become a named pipe, which is not waited for", async () => {
    const root = folder();
    execFileSync("mkfifo", [`${root}/a`]);

    const error = await failure(bytesOf(directoryTree(root, "dist").read({ path: "a", size: 3 })));

    expect(error.code).toBe("SOURCE_CHANGED");
  });

  it("may be refused by the operating system", async () => {
    const root = folder({ a: { directory: true } });

    const error = await failure(bytesOf(directoryTree(root, "dist").read({ path: "a", size: 3 })));

    expect(error.code).toBe("SOURCE_UNREADABLE");
    expect(error.message).toBe(`${root}/a could not be read: EISDIR.`);
  });

  it("may have a name so long that no directory can be listed", async () => {
    const tree = directoryTree(folder(), "dist");

    const error = await failure(tree.children(`${"n".repeat(250)}/`.repeat(20)));

    expect(error.code).toBe("SOURCE_UNREADABLE");
    expect(error.message).toMatch(/ could not be read: ENAMETOOLONG\.$/);
  });
});
