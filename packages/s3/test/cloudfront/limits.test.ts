import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { filesOf } from "../world.ts";
import { RoutedRig } from "./routed-rig.ts";

describe("the limits of a store", () => {
  let world: RoutedRig;
  beforeEach(async () => {
    world = await RoutedRig.open();
  });
  afterEach(async () => world[Symbol.asyncDispose]());

  it("stop the plan when it is full, and nothing was written", async () => {
    const { rig, store } = world;
    store.edit("somebody-else", "x".repeat(5 * 1024 * 1024 - 100));
    await rig.folder.build(filesOf("one"));
    await expect(rig.plan()).rejects.toMatchObject({ code: "S3_ROUTES" });
    expect(store.requests.filter(({ method }) => method === "POST")).toEqual([]);
    expect(rig.objects.size).toBe(0);
  });

  it.each([
    ["a redirect that is too long", `/old https://example.com/${"x".repeat(1100)} 301\n`],
    [
      "redirects from whole folders that are too long together",
      Array.from({ length: 40 }, (_, index) => `/folder-${index}/* /other-${index}/:splat`).join(
        "\n",
      ),
    ],
    ["a page for all others that is none", "/* /app.html 200\n"],
  ])("stop the plan at %s", async (_name, rules) => {
    const { rig } = world;
    await rig.folder.build({ ...filesOf("one"), _redirects: rules });
    await expect(rig.plan()).rejects.toMatchObject({ code: "S3_ROUTES" });
  });

  it("stop the plan at a path that is too long below the prefix of a release", async () => {
    const { rig } = world;
    const long = `${Array.from({ length: 5 }, () => "d".repeat(195)).join("/")}/x.html`;
    await rig.folder.build({ ...filesOf("one"), [long]: "<p>far down</p>" });
    await expect(rig.plan()).rejects.toMatchObject({ code: "S3_KEY" });
  });

  it("say that a store which is not there is not there", async () => {
    const { store } = world;
    const missing = store.arn.replace("5a1c0d1e", "ffffffff");
    const other = await world.beside({ keyValueStore: missing });
    await expect(other.live()).rejects.toMatchObject({ code: "S3_KEY_VALUES" });
    await other.connection[Symbol.asyncDispose]();
  });

  it("take two thousand redirects and a thousand pages, 50 values at a time", async () => {
    const { rig, store, edge } = world;
    const pages = Array.from({ length: 1_000 }, (_, index) => [`p${index}.html`, `<p>${index}`]);
    const rules = Array.from({ length: 2_000 }, (_, index) => `/old/${index} /p${index % 1_000}`);
    await rig.deploy({
      ...filesOf("one"),
      ...(Object.fromEntries(pages) as Record<string, string>),
      _redirects: rules.join("\n"),
    });
    expect(await edge.visit("/p999")).toMatchObject({ status: 200, body: "<p>999" });
    expect(await edge.visit("/old/1999")).toMatchObject({ headers: { location: "/p999" } });
    expect(await edge.visit("/old/2000")).toMatchObject({ status: 404 });
    const writes = store.requests.filter(({ method }) => method === "POST").length;
    expect(writes).toBeLessThan(100);
  }, 60_000);
});
