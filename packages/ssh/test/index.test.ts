import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ssh, sshErrors } from "../src/index.ts";

describe("the package", () => {
  it("has these names and no others", async () => {
    expect(Object.keys(await import("../src/index.ts")).toSorted()).toEqual([
      "ssh",
      "sshErrors",
      "sshStore",
    ]);
  });

  it("does not load ssh2 with a config", async () => {
    ssh({ hosts: ["web-1"], path: "/srv/shop", source: "dist" });

    const folder = join(import.meta.dirname, "../src");
    const names = await readdir(folder, { recursive: true });
    const importing: string[] = [];
    for (const name of names.filter((file) => file.endsWith(".ts"))) {
      const text = await readFile(join(folder, name), "utf8");
      if (/^import (?!type ).*from "ssh2"/m.test(text)) importing.push(name);
    }
    expect(importing).toEqual([]);
  });

  it("explains every code it raises, and raises every code it explains", async () => {
    const folder = join(import.meta.dirname, "../src");
    const files = (await readdir(folder)).filter((name) => name.endsWith("errors.ts"));
    const texts = await Promise.all(files.map((name) => readFile(join(folder, name), "utf8")));
    const raised = texts.flatMap((text) => text.match(/(?<=code: ")SSH_\w+/g) ?? []);
    const explained = Object.keys(sshErrors).filter((code) => code.startsWith("SSH_"));

    expect(explained.toSorted()).toEqual([...new Set(raised)].toSorted());
  });
});
