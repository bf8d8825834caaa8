import { describe, expect, it } from "vitest";
import { createRedactor } from "../src/redact.ts";

const SECRET = 's3cr3t/"päss word+1';

function redactorOf(...values: readonly string[]): ReturnType<typeof createRedactor> {
  const redactor = createRedactor();
  for (const value of values) redactor.add(value);
  return redactor;
}

describe("a redactor", () => {
  it.each([
    ["as it is", SECRET],
    ["in JSON", JSON.stringify({ key: SECRET })],
    ["in a URL", `https://host/?q=${encodeURIComponent(SECRET)}`],
    ["in base64", Buffer.from(SECRET).toString("base64")],
    ["in base64url", Buffer.from(SECRET).toString("base64url")],
    ["in base64 behind one byte", Buffer.from(`a${SECRET}z`).toString("base64")],
    ["in base64 behind two bytes", Buffer.from(`ab${SECRET}yz`).toString("base64")],
  ])("blanks a secret out %s", (_, text) => {
    const shown = redactorOf(SECRET).text(`before ${text} after`);

    expect(shown).toContain("[secret]");
    expect(shown).not.toContain(SECRET.slice(0, 8));
    expect(shown).not.toContain(Buffer.from(SECRET).toString("base64").slice(2, 12));
    expect(shown).toMatch(/^before .* after$/);
  });

  it("blanks out each line of a secret of several lines", () => {
    const redactor = redactorOf("first line of key\nsecond line of key");

    expect(redactor.text("x second line of key y")).toBe("x [secret] y");
  });

  it("blanks out keys and values of JSON", () => {
    const redactor = redactorOf("hunter2hunter2");

    expect(redactor.json({ "k-hunter2hunter2": ["hunter2hunter2", 1, null] })).toEqual({
      "k-[secret]": ["[secret]", 1, null],
    });
  });

  it("ignores values so short that they would hit by chance", () => {
    expect(redactorOf("abc").text("abc")).toBe("abc");
  });

  it("takes patterns in a secret literally", () => {
    expect(redactorOf("a.c.e.g+").text("abcdefgg a.c.e.g+")).toBe("abcdefgg [secret]");
  });

  it("finds a secret that is cut anywhere into two parts", () => {
    for (let cut = 0; cut <= SECRET.length; cut += 1) {
      const stream = redactorOf(SECRET).stream();
      const shown =
        stream.push(`x${SECRET.slice(0, cut)}`) +
        stream.push(`${SECRET.slice(cut)}y`) +
        stream.end();

      expect(shown).toBe("x[secret]y");
    }
  });

  it("finds a secret that arrives character by character, and keeps nothing else back for ever", () => {
    const stream = redactorOf(SECRET).stream();
    const text = `a ${SECRET} b s3cr`;

    const shown = Array.from(text)
      .map((character) => stream.push(character))
      .join("");

    expect(shown).toBe("a [secret] b ");
    expect(stream.end()).toBe("s3cr");
  });
});
