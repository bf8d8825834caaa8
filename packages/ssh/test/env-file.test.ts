import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { envText } from "../src/env-file.ts";

/** Every byte that a variable can hold, as text of one byte each below 0x80 and of two above. */
const EVERY = Array.from({ length: 255 }, (_, index) => String.fromCodePoint(index + 1)).join("");

describe("a file with variables", () => {
  it.each([["dash"], ["busybox", "sh"], ["bash"]])("is read back the same by %s %s", (...shell) => {
    const [program = "", ...first] = shell.filter((word) => word !== undefined);
    const values = { EVERY, LONG: "x'y\"".repeat(25_000), EMPTY: "" };
    const script = `${envText(values)}printf '%s|%s|%s' "$EVERY" "$LONG" "$EMPTY"`;

    const read = execFileSync(program, [...first, "-s"], { input: script, encoding: "utf8" });

    expect(read).toBe(`${values.EVERY}|${values.LONG}|`);
  });
});
