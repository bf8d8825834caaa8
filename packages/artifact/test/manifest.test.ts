import { type Manifest, manifestDigest, manifestText, parseManifest } from "@lockstep/artifact";
import { describe, expect, it } from "vitest";
import { sorted } from "../src/manifest.ts";
import { failure } from "./folder.ts";

const HEX = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const manifest: Manifest = [
  { type: "link", path: "a link", target: "the target" },
  { type: "directory", path: "bin", mode: 0o755 },
  { type: "file", path: "bin/run me", mode: 0o755, size: 3, digest: `sha256:${HEX}` },
  { type: "file", path: "größe", mode: 0o644, size: 9_007_199_254_740, digest: `sha256:${HEX}` },
  { type: "link", path: "ü", target: "../größe ü" },
];
const text = [
  "l 6 a link the target\n",
  "d 755 bin\n",
  `f 755 3 ${HEX} bin/run me\n`,
  `f 644 9007199254740 ${HEX} größe\n`,
  "l 2 ü ../größe ü\n",
].join("");

const parsed = async (line: string): Promise<string> => {
  const { code, message } = await failure((async () => parseManifest(line))());
  expect(code).toBe("MANIFEST_INVALID");
  return message;
};

describe("the text of a manifest", () => {
  it("has one line per entry", () => {
    expect(manifestText(manifest)).toBe(text);
  });

  it("is read back as the same manifest", () => {
    expect(parseManifest(text)).toEqual(manifest);
  });

  it("is empty for an empty artifact", () => {
    expect(manifestText([])).toBe("");
    expect(parseManifest("")).toEqual([]);
  });

  it("tells a link with spaces in its path from one with spaces in its target", () => {
    const one: Manifest = [{ type: "link", path: "a b", target: "c" }];
    const other: Manifest = [{ type: "link", path: "a", target: "b c" }];

    expect(manifestText(one)).not.toBe(manifestText(other));
    expect(parseManifest(manifestText(one))).toEqual(one);
    expect(parseManifest(manifestText(other))).toEqual(other);
  });

  it("gives the digest of the artifact", () => {
    expect(manifestDigest([])).toBe(
      "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    );
    expect(manifestDigest(manifest)).toBe(
      "sha256:31253eb00a0a467324f1c8118d769953018257b5c110c085a0453bec196ecdb1",
    );
  });
});

describe("the order of a manifest", () => {
  it("is that of the bytes of the paths, not of UTF-16", () => {
    const paths = ["\u{1f600}", "\uffee", "a/b", "a-b", "a", "B"];
    const entries = paths.map((path) => ({ type: "directory", path, mode: 0o755 }) as const);

    expect(sorted(entries).map(({ path }) => path)).toEqual([
      "B",
      "a",
      "a-b",
      "a/b",
      "\uffee",
      "\u{1f600}",
    ]);
  });
});

describe("a damaged manifest is refused:", () => {
  it.each([
    ["no line end", "d 755 a"],
    ["an unknown kind", "x 755 a\n"],
    ["an empty line", "\n"],
    ["another mode of a directory", "d 700 a\n"],
    ["another mode of a file", `f 777 1 ${HEX} a\n`],
    ["a size with a leading zero", `f 644 01 ${HEX} a\n`],
    ["a negative size", `f 644 -1 ${HEX} a\n`],
    ["a size no number can hold", `f 644 9007199254740993 ${HEX} a\n`],
    ["a digest in upper case", `f 644 1 ${HEX.toUpperCase()} a\n`],
    ["a short digest", `f 644 1 ${HEX.slice(1)} a\n`],
    ["a link without a target", "l 1 a\n"],
    ["a link with an empty target", "l 1 a \n"],
    ["a link whose length is too small", "l 1 ab c\n"],
    ["a link whose length is too large", "l 9 a b\n"],
    ["a link whose length splits a character", "l 1 ü b\n"],
    ["a carriage return", "d 755 a\r\n"],
  ])("%s", async (_, line) => {
    expect(await parsed(line)).toMatch(/^Line [12] of the manifest (cannot be read|is cut off)\.$/);
  });

  it.each(["../a", "/a", "a//b", "a/../b", ".", "a\\b"])("the path %s", async (path) => {
    expect(await parsed(`d 755 ${path}\n`)).toBe(
      "Line 1 of the manifest has a path that is not allowed.",
    );
  });

  it("a path that comes twice or too early", async () => {
    expect(await parsed("d 755 a\nd 755 a\n")).toBe("Line 2 of the manifest is out of order.");
    expect(await parsed("d 755 b\nd 755 a\n")).toBe("Line 2 of the manifest is out of order.");
  });

  it("an entry below a link, a file or nothing", async () => {
    const problem = "Line 2 of the manifest lies below something that is no directory.";

    expect(await parsed(`l 1 a /etc\nf 644 1 ${HEX} a/passwd\n`)).toBe(problem);
    expect(await parsed(`f 644 1 ${HEX} a\nd 755 a/b\n`)).toBe(problem);
    expect(await parsed("d 755 a\nd 755 b/c\n")).toBe(problem);
  });
});
