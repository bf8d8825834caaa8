import { describe, expect, it } from "vitest";
import { linkProblem } from "../src/links.ts";

const problem = (path: string, links: Record<string, string>): string | undefined =>
  linkProblem(path, new Map(Object.entries(links)));

describe("a symbolic link", () => {
  it.each([
    ["a", "b"],
    ["a/b", "../c"],
    ["a/b/c", "../.././x//y"],
    ["a/b", ".."],
    ["a", "."],
    ["a", "missing/../also-missing"],
  ])("may point from %s to %s", (path, target) => {
    expect(problem(path, { [path]: target })).toBeUndefined();
  });

  it.each([
    ["a", ".."],
    ["a", "../other"],
    ["a/b", "../../etc"],
    ["a", "x/../../y"],
    ["a/b", "../../a/b"],
  ])("may not point from %s to %s, out of the source", (path, target) => {
    expect(problem(path, { [path]: target })).toBe(`it points out of the source, to ${target}`);
  });

  it("may not be absolute", () => {
    expect(problem("a", { a: "/etc/passwd" })).toBe("it points to the absolute path /etc/passwd");
  });

  it("may not leave through another link", () => {
    const links = { "x/up": "..", y: "x/up/../secret" };

    expect(problem("x/up", links)).toBeUndefined();
    expect(problem("y", links)).toBe("it points out of the source, to x/up/../secret");
  });

  it("may not leave through an absolute link", () => {
    expect(problem("y", { out: "/", y: "out/etc" })).toBe(
      "it points out of the source, to out/etc",
    );
  });

  it("may lead through a chain of links", () => {
    expect(problem("a", { a: "b", b: "c/d", c: "e", "e/d": "../f" })).toBeUndefined();
  });

  it("may not go in circles", () => {
    expect(problem("a", { a: "b", b: "a" })).toBe("it goes in circles");
    expect(problem("a", { a: "a" })).toBe("it goes in circles");
    expect(problem("a", { a: "a/b" })).toBe("it goes in circles");
  });

  it("is shown without control over the terminal", () => {
    expect(problem("a", { a: "../\u202e" })).toBe('it points out of the source, to "../\\u{202e}"');
  });
});
