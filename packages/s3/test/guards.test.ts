import { execFileSync } from "node:child_process";
import { symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { S3Options } from "../src/index.ts";
import { Rig } from "./rig.ts";

type Guard = NonNullable<S3Options["allow"]>[number];

/** What makes a source unfit, below its folder. */
const SPOILS: readonly (readonly [Guard, string, (folder: string) => Promise<void>])[] = [
  ["secrets", ".env", (folder) => writeFile(join(folder, ".env"), "TOKEN=1")],
  [
    "twins",
    "about.html",
    async (folder) => {
      await writeFile(join(folder, "about.html"), "a");
      await writeFile(join(folder, "About.html"), "b");
    },
  ],
  ["links", "out", (folder) => symlink("/etc/hostname", join(folder, "out"))],
  ["special", "pipe", async (folder) => void execFileSync("mkfifo", [join(folder, "pipe")])],
];

describe("the guard of every source", () => {
  it.each(SPOILS)("%s refuses a site before anything is sent", async (_guard, name, spoil) => {
    await using rig = await Rig.open();
    await rig.folder.build({ "index.html": "x" });
    await spoil(join(rig.folder.path, "dist"));

    await expect(rig.plan()).rejects.toMatchObject({
      code: "SOURCE_REFUSED",
      message: expect.stringContaining(name),
    });
    expect(rig.sandbox.requests.filter(({ method }) => method === "PUT")).toEqual([]);
  });

  it.each(SPOILS.slice(0, 2))(
    "%s is switched off by its name alone",
    async (guard, name, spoil) => {
      await using rig = await Rig.open({ allow: [guard] });
      await rig.folder.build({ "index.html": "x" });
      await spoil(join(rig.folder.path, "dist"));

      await rig.deploy();

      expect(rig.keys()).toContain(name);
    },
  );

  it("links lets no link become a key, even when it is switched off", async () => {
    await using rig = await Rig.open({ allow: ["links"] });
    await rig.folder.build({ "index.html": "x" });
    await symlink("/etc/hostname", join(rig.folder.path, "dist/out"));

    await expect(rig.plan()).rejects.toMatchObject({ code: "S3_KEY" });
  });
});
