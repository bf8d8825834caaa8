import { describe, expect, it } from "vitest";
import { s3 } from "../src/index.ts";
import { Rig } from "./rig.ts";
import { filesOf, scriptOf } from "./world.ts";

const SCRIPT = scriptOf(`console.log("one")`);

describe("a deploy with `repair`", () => {
  it("of the same source puts back what is gone, as it was, and nothing else", async () => {
    await using rig = await Rig.open({ repair: true });
    await rig.deploy(filesOf("one"));
    const [before, ref] = [new Map(rig.objects), (await rig.live()).ref];
    for (const key of ["about/index.html", SCRIPT]) rig.objects.delete(key);
    rig.edit("style.css", "hot fix");

    const plan = await rig.deploy(filesOf("one"));

    expect(plan.changes.map(({ action, what }) => `${action} ${what}`)).toEqual([
      "add about/index.html",
      `add ${SCRIPT}`,
    ]);
    expect(plan.unchanged).toBe(4);
    for (const key of ["about/index.html", SCRIPT]) {
      expect(rig.objects.get(key)).toMatchObject({
        body: before.get(key)?.body,
        headers: before.get(key)?.headers,
      });
    }
    expect(rig.text("style.css")).toBe("hot fix");
    expect((await rig.live()).ref).toEqual(ref);
  });

  it("of a new source puts back what is gone and stays the same in it", async () => {
    await using rig = await Rig.open({ repair: true });
    await rig.deploy(filesOf("one"));
    for (const key of ["same.txt", "index.html", "old.html"]) rig.objects.delete(key);

    const plan = await rig.deploy(filesOf("two"));

    expect(plan.steps.find(({ id }) => id === "repair")?.input).toMatchObject({
      paths: ["same.txt"],
    });
    expect(rig.text("same.txt")).toBe("the same in all");
    expect(rig.text("index.html")).toContain("Welcome two");
  });

  it("has nothing to do where nothing is gone, and does not run without it", async () => {
    await using rig = await Rig.open({ repair: true });
    await rig.deploy(filesOf("one"));
    expect((await rig.plan()).steps).toEqual([]);
    rig.objects.delete("about/index.html");
    await using without = await rig.beside();

    expect((await without.plan()).steps).toEqual([]);
    expect((await rig.plan()).steps).toHaveLength(1);
  });

  it("writes over nothing that came after the plan, and may be repeated", async () => {
    await using rig = await Rig.open({ repair: true });
    await rig.deploy(filesOf("one"));
    rig.objects.delete("about/index.html");
    const plan = await rig.plan();
    await rig.fence();
    rig.edit("about/index.html", "theirs");
    await expect(rig.apply(plan, "stage")).rejects.toMatchObject({ code: "S3_FOREIGN" });
    expect(rig.text("about/index.html")).toBe("theirs");

    rig.objects.delete("about/index.html");
    await rig.apply(plan, "stage");
    const once = new Map(rig.objects);
    await rig.apply(plan, "stage");
    expect(rig.objects).toEqual(once);
  });

  it("stops when the source is another than was planned", async () => {
    await using rig = await Rig.open({ repair: true });
    await rig.deploy(filesOf("one"));
    rig.objects.delete(SCRIPT);
    const plan = await rig.plan();
    await rig.folder.build(filesOf("two"));
    await using later = await rig.beside({ repair: true });

    await expect(later.apply(plan, "stage")).rejects.toMatchObject({ code: "SOURCE_CHANGED" });
    expect(rig.text(SCRIPT)).toBeUndefined();
  });

  it("puts back a file that was sent in parts from the bytes that are kept", async () => {
    const film = Buffer.alloc(21 * 1024 * 1024, "film");
    await using rig = await Rig.open({ repair: true, limits: { partBytes: 5 * 1024 * 1024 } });
    await rig.deploy({ ...filesOf("one"), "film.mp4": film });
    rig.objects.delete("film.mp4");
    const asked = rig.sandbox.requests.length;

    await rig.deploy();

    expect(film.equals(rig.objects.get("film.mp4")?.body ?? Buffer.of())).toBe(true);
    expect(rig.sandbox.requests.slice(asked).map(({ method }) => method)).not.toContain("POST");
  });

  it("is refused behind a router, where every release has objects of its own", async () => {
    const keyValueStore =
      "arn:aws:cloudfront::123456789012:key-value-store/5a1c0d1e-0000-4000-8000-000000000001";
    const target = s3({
      bucket: "shop",
      source: "dist",
      repair: true,
      cloudfront: { keyValueStore },
    });

    expect(target.problems?.map(({ path }) => path)).toEqual([["repair"]]);
  });
});
