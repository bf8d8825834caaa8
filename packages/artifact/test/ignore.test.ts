import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { ignoreRules } from "../src/ignore.ts";
import { folder, pathsOf, put } from "./folder.ts";

describe("what is left out", () => {
  it("is never more than the repository and the state of Lockstep without rules", async () => {
    const root = folder({
      "index.html": "",
      ".well-known/x": "",
      ".hidden": "",
      "sub/.git/config": "",
      ".lockstep/lease": "",
    });

    expect(await pathsOf(root)).toEqual([
      ".hidden",
      ".well-known",
      ".well-known/x",
      "index.html",
      "sub",
    ]);
  });

  it("cannot bring back the repository", async () => {
    const root = folder({ "sub/.git": "gitdir: x", ".lockstepignore": "!.git\n!.lockstepignore" });

    expect(await pathsOf(root, { exclude: ["!.git"] })).toEqual(["sub"]);
  });

  it("holds the ignore file at the root, but not one below", async () => {
    const root = folder({ ".lockstepignore": "", "sub/.lockstepignore": "*" });

    expect(await pathsOf(root)).toEqual(["sub", "sub/.lockstepignore"]);
  });

  it("follows .lockstepignore, with or without carriage returns and byte order mark", async () => {
    const root = folder({ "a.log": "", "b.tmp": "", "c.js": "" });
    put(`${root}/.lockstepignore`, "\uFEFF*.log\r\n# comment\r\n*.tmp\r\n");

    expect(await pathsOf(root)).toEqual(["c.js"]);
  });

  it("follows the rules of the config last", async () => {
    const root = folder({ ".lockstepignore": "*.map\n", "a.map": "", "b.map": "", "c.js": "" });

    expect(await pathsOf(root, { exclude: ["!b.map", "*.js"] })).toEqual(["b.map"]);
  });

  it("cannot bring back what is below an excluded directory", async () => {
    const root = folder({ "build/keep": "", "build/other": "" });

    expect(await pathsOf(root, { exclude: ["build/", "!build/keep"] })).toEqual([]);
    expect(await pathsOf(root, { exclude: ["build/*", "!build/keep"] })).toEqual([
      "build",
      "build/keep",
    ]);
  });

  it("depends on case", async () => {
    expect(await pathsOf(folder({ "Notes.MD": "", "a.md": "" }), { exclude: ["*.md"] })).toEqual([
      "Notes.MD",
    ]);
  });

  it("may be a name that is not allowed otherwise", () => {
    const isIgnored = ignoreRules("", ["bad*"]);

    expect(isIgnored("bad\nname", false)).toBe(true);
    expect(isIgnored("bad\ufffd", false)).toBe(true);
    expect(isIgnored("../bad", false)).toBe(true);
  });

  it("is what git leaves out by the same rules", async () => {
    const rules = [
      "*.log",
      "!keep.log",
      "/top.txt",
      "node_modules/",
      "docs/**/draft",
      "**/cache/*",
      "!**/cache/.keep",
      "a?c",
      "[x-z].md",
      "\\#hash",
      "\\!bang",
      "trailing\\ ",
      "mid/dle",
    ];
    const files = [
      "a.log",
      "keep.log",
      "s/a.log",
      "s/keep.log",
      "top.txt",
      "s/top.txt",
      "abc",
      "s/a-c",
      "ac",
      "node_modules/m/i.js",
      "s/node_modules/x",
      "t/node_modules",
      "docs/draft",
      "docs/a/b/draft",
      "docs/a/b/final",
      "cache/x",
      "cache/.keep",
      "s/cache/y",
      "x.md",
      "w.md",
      "#hash",
      "!bang",
      "trailing ",
      "mid/dle",
      "s/mid/dle",
      "mid/dleton",
    ];
    const root = folder(Object.fromEntries(files.map((file) => [file, "x"])));
    put(`${root}/.lockstepignore`, `${rules.join("\n")}\n`);
    execFileSync("git", ["init", "-q"], { cwd: root });
    const words = ["ls-files", "-z", "--others", "--exclude-from=.lockstepignore"];
    const byGit = execFileSync("git", words, { cwd: root, encoding: "utf8" }).split("\0");

    const paths = await pathsOf(root, { allow: ["root"] });

    const kept = files.filter((file) => paths.includes(file));
    expect(kept.toSorted()).toEqual(byGit.filter((path) => files.includes(path)).toSorted());
    expect(kept.length).toBeGreaterThan(8);
    expect(kept.length).toBeLessThan(files.length - 8);
  });
});
