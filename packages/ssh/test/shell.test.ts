import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { quote, quoteAll, readable, shellText } from "../src/shell.ts";

const SHELLS = ["dash", "busybox ash", "bash --posix"];

/** Every byte a word may hold, as a string of one character per byte. */
const EVERY_BYTE = String.fromCharCode(...Array.from({ length: 255 }, (_, index) => index + 1));

const HOSTILE = [
  "",
  " ",
  "-rf",
  "'",
  "''",
  `"$(touch /tmp/lockstep-evil)"`,
  "`touch /tmp/lockstep-evil`",
  "a\nb\n",
  "\\",
  "it's; $HOME && *",
  "ü€😀",
];

/** What a shell passes on when it reads the words from stdin, byte for byte. */
function echoed(shell: string, words: readonly string[]): Buffer {
  const [program = "", ...options] = shell.split(" ");
  const input = Buffer.from(`printf '%s\\0' ${quoteAll(words)}\n`, "latin1");
  return execFileSync(program, [...options, "-s"], { input, env: { PATH: "/usr/bin:/bin" } });
}

describe.each(SHELLS)("quoting for %s", (shell) => {
  it("keeps every byte from 1 to 255", () => {
    expect(echoed(shell, [EVERY_BYTE]).toString("latin1")).toBe(`${EVERY_BYTE}\0`);
  });

  it("keeps words whose meaning a shell would change", () => {
    const sent = HOSTILE.map((word) => Buffer.from(word).toString("latin1"));

    expect(echoed(shell, sent).toString("utf8")).toBe(HOSTILE.map((word) => `${word}\0`).join(""));
  });

  it("keeps random words of random bytes", () => {
    let seed = 7;
    const next = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return Math.floor((seed / 2_147_483_648) * below);
    };
    const words = Array.from({ length: 200 }, () =>
      String.fromCharCode(...Array.from({ length: next(30) }, () => 1 + next(255))),
    );

    expect(echoed(shell, words).toString("latin1")).toBe(words.map((word) => `${word}\0`).join(""));
  });
});

describe("shellText", () => {
  it("assigns values before the script", () => {
    expect(shellText({ text: 'echo "$A"', values: { A: "it's" } })).toBe(
      `A='it'\\''s'\necho "$A"\n`,
    );
  });

  it("refuses NUL, which no shell can hold", () => {
    expect(() => quote("a\0b")).toThrow(TypeError);
  });

  it("refuses a name that is no variable", () => {
    expect(() => shellText({ text: ":", values: { "A;B": "1" } })).toThrow(TypeError);
  });
});

describe("a command that people read", () => {
  it("stands there as it would be typed, with quotes only where they are needed", () => {
    expect(readable(["systemctl", "restart", "shop@1.service", "--env=A_B:/x,y+z%"])).toBe(
      "systemctl restart shop@1.service --env=A_B:/x,y+z%",
    );
    expect(readable(["sh", "-c", "echo it's; exit 3", "", "ü"])).toBe(
      String.raw`sh -c 'echo it'\''s; exit 3' '' ü`,
    );
  });

  it("is one line without what steers a terminal", () => {
    expect(readable(["printf", "a\n\u001b[31mb"])).toBe("printf 'a [31mb'");
  });
});
