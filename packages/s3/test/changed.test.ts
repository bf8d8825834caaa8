import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Rig } from "./rig.ts";
import { filesOf } from "./world.ts";

const PAGE = "about/index.html";

describe("a file that is not what was planned any more", () => {
  it.each<[string, (path: string) => Promise<void>]>([
    ["because it was edited", (path) => writeFile(path, "<!doctype html>something else")],
    ["although it is as long as before", (path) => writeFile(path, sameLength())],
    ["because it is longer", (path) => writeFile(path, "x".repeat(100_000))],
    ["because it is gone", (path) => rm(path)],
  ])("%s is not sent, and nothing of the run goes live", async (_why, change) => {
    await using rig = await Rig.open();
    await rig.deploy(filesOf("one"));
    await rig.folder.build(filesOf("two"));
    const plan = await rig.plan();
    await rig.fence();
    await change(join(rig.folder.path, "dist", PAGE));

    await expect(rig.apply(plan, "stage")).rejects.toMatchObject({ code: "SOURCE_CHANGED" });

    expect(rig.text(PAGE)).toBe(filesOf("one")[PAGE]);
    const texts = [...rig.objects.keys()].map((key) => rig.text(key) ?? "");
    expect(texts.filter((text) => /something else|^x+$|^y+$/.test(text))).toEqual([]);
  });
});

function sameLength(): string {
  return "y".repeat(filesOf("two")[PAGE]?.length ?? 0);
}
