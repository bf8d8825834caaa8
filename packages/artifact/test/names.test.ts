import { describe, expect, it } from "vitest";
import { isCleanPath, isCleanTarget, nameProblem, shown, targetProblem } from "../src/names.ts";

const of = (text: string): string | undefined => nameProblem(Buffer.from(text));

describe("the guard of names", () => {
  it.each([
    "index.html",
    "-rf",
    "$(reboot)",
    'it\'s "quoted"',
    " spaces ",
    "grüße-日本語-👩‍💻",
    "...",
    "\uFEFFbom",
    "a".repeat(255),
  ])("lets %j through", (name) => {
    expect(of(name)).toBeUndefined();
  });

  it.each(["a\nb", "a\rb", "a\tb", "\u0000", "\u007f", "\u0085", "a\u2028b", "\u001b[31m"])(
    "refuses the control character in %j",
    (name) => {
      expect(of(name)).toBe("its name holds a control character");
    },
  );

  it("refuses a backslash, which is a separator elsewhere", () => {
    expect(of("a\\b")).toBe("its name holds a backslash");
  });

  it.each(["", ".", "..", "a/b"])("refuses %j, which names no file", (name) => {
    expect(of(name)).toBe("its name is not that of a file");
  });

  it("refuses bytes that are not UTF-8", () => {
    expect(nameProblem(Buffer.from([0x61, 0xff]))).toBe("its name is not valid UTF-8");
    expect(nameProblem(Buffer.from([0xc0, 0xaf]))).toBe("its name is not valid UTF-8");
  });
});

describe("the guard of link targets", () => {
  it("lets paths through", () => {
    expect(targetProblem(Buffer.from("../a/./b c"))).toBeUndefined();
  });

  it("refuses what no manifest can hold", () => {
    expect(targetProblem(Buffer.from(""))).toBe("its target is empty");
    expect(targetProblem(Buffer.from("a\nb"))).toBe("its target holds a control character");
    expect(targetProblem(Buffer.from("a\\b"))).toBe("its target holds a backslash");
    expect(targetProblem(Buffer.from([0xff]))).toBe("its target is not valid UTF-8");
  });
});

describe("a path of a manifest", () => {
  it.each(["a", "a/b", "a/.b/c d", "..a/b.."])("may be %j", (path) => {
    expect(isCleanPath(path)).toBe(true);
  });

  it.each(["", "/a", "a/", "a//b", "./a", "a/../b", "..", "a\\b", "a\nb", "\ud800"])(
    "may not be %j",
    (path) => {
      expect(isCleanPath(path)).toBe(false);
    },
  );

  it("has targets without half characters", () => {
    expect(isCleanTarget("../a")).toBe(true);
    expect(isCleanTarget("a\udc00")).toBe(false);
  });
});

describe("a name in a message", () => {
  it("stands as it is when it can be printed", () => {
    expect(shown("grüße/日本 $(x)")).toBe("grüße/日本 $(x)");
  });

  it("is quoted and escaped when it cannot", () => {
    expect(shown("a\nb")).toBe('"a\\nb"');
    expect(shown("\u001b[31mred")).toBe('"\\u{1b}[31mred"');
    expect(shown("a\\b")).toBe('"a\\\\b"');
    expect(shown("gpj.\u202eexe")).toBe('"gpj.\\u{202e}exe"');
  });

  it("shows bytes that are not UTF-8 one by one", () => {
    expect(shown(Buffer.from([0x61, 0x5c, 0xff, 0x0a, 0x62]))).toBe('"a\\x5c\\xff\\x0ab"');
  });
});
