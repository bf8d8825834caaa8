import { execFileSync, spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { Answer, Kept, readerCommand, readerText, requestText } from "../src/framing.ts";

const NONCE = "0123456789abcdef01234567";

function answerIn(text: string, pieces: number, limit = 1000): Answer {
  const answer = new Answer(NONCE, limit);
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += pieces) answer.push(bytes.subarray(at, at + pieces));
  return answer;
}

describe("an answer", () => {
  it.each([1, 2, 7, 24, 1000])("is the same in pieces of %i bytes", (pieces) => {
    const text = `one\n${"x".repeat(100)}\n${NONCE} 17\nno\nway\n${NONCE}\n`;

    expect(answerIn(text, pieces).ran).toEqual({
      status: 17,
      stdout: `one\n${"x".repeat(100)}`,
      stderr: "no\nway",
    });
  });

  it.each([1, 3, 1000])("may have nothing on both streams (pieces of %i bytes)", (pieces) => {
    const ran = { status: 0, stdout: "", stderr: "" };

    expect(answerIn(`\n${NONCE} 0\n\n${NONCE}\n`, pieces).ran).toEqual(ran);
  });

  it("does not end at another nonce", () => {
    const answer = answerIn(`out\n${NONCE.replace("0", "f")} 0\n\n`, 5);

    expect(answer.ran).toBeUndefined();
    expect(answer.heard).toContain("out");
  });

  it("does not end before its last line does", () => {
    expect(answerIn(`\n${NONCE} 1\nerr\n${NONCE}`, 4).ran).toBeUndefined();
  });

  it("drops what goes beyond its limit and still finds its end", () => {
    const answer = answerIn(`${"x".repeat(5000)}\n${NONCE} 0\n\n${NONCE}\n`, 64, 100);

    expect(answer.ran).toEqual({ status: 0, stdout: "x".repeat(100), stderr: "" });
  });

  it.each(["dash", "busybox sh", "bash --posix"])("comes back from %s as it was", (shell) => {
    const script = {
      text: `printf 'a\n\nb'; printf "%s" "$V" >&2; cat; exit 9`,
      values: { V: "'\n" },
    };
    const [program = "", ...words] = shell.split(" ");
    const output = execFileSync(program, [...words, "-s"], { input: requestText(script, NONCE) });

    expect(answerIn(output.toString(), 10).ran).toEqual({
      status: 9,
      stdout: "a\n\nb",
      stderr: "'",
    });
  });
});

describe("a request that is cut off", () => {
  it.each(["dash", "busybox sh", "bash --posix"])("never runs in part in %s", (shell) => {
    const text = requestText({ text: "echo begun >&4", values: {} }, NONCE);
    const [program = "", ...words] = shell.split(" ");

    for (let length = 0; length < text.length - 2; length += 1) {
      const { output } = spawnSync(program, [...words, "-s"], {
        input: text.slice(0, length),
        stdio: ["pipe", "pipe", "pipe", "pipe", "pipe"],
      });
      expect(output[4]?.toString()).toBe("");
    }
  });

  it("never runs in part as a script that data follows", () => {
    const text = readerText({ text: "echo begun", values: { A: "1" } }, NONCE);

    for (let length = 0; length < text.length; length += 1) {
      const { stdout, status } = spawnSync("sh", ["-c", readerCommand(NONCE)], {
        input: text.slice(0, length),
      });
      expect([stdout.toString(), status]).toEqual(["", 75]);
    }
  });
});

describe("a script that data follows", () => {
  it.each(["dash", "busybox sh", "bash", "bash --posix"])(
    "leaves the data to its commands in %s",
    (shell) => {
      const text = readerText(
        { text: 'printf %s "$A"; cat; exit 3', values: { A: "two\nlines " } },
        NONCE,
      );
      const [program = "", ...words] = shell.split(" ");
      const { stdout, status } = spawnSync(program, [...words, "-c", readerCommand(NONCE)], {
        input: `${text}data\0\n${NONCE}\n`,
      });

      expect(stdout.toString()).toBe(`two\nlines data\0\n${NONCE}\n`);
      expect(status).toBe(3);
    },
  );
});

describe("kept output", () => {
  it("never grows beyond its limit", () => {
    const kept = new Kept(5);
    for (let count = 0; count < 10; count += 1) kept.push(Buffer.from("abc"));

    expect(kept.text()).toBe("abcab");
  });
});
