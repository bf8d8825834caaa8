import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";

const SOURCE = join(import.meta.dirname, "../src");

it("fits in one head: at most 2,000 lines that are neither blank nor comment", async () => {
  const files = await readdir(SOURCE);
  const texts = await Promise.all(files.map((file) => readFile(join(SOURCE, file), "utf8")));
  const code = texts.flatMap((text) => text.split("\n")).filter((line) => isCode(line.trim()));
  expect(code.length).toBeLessThanOrEqual(2000);
});

function isCode(line: string): boolean {
  return line !== "" && !["//", "/*", "*"].some((mark) => line.startsWith(mark));
}
