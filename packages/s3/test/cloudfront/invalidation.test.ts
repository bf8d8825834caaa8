import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { invalidPaths } from "../../src/cloudfront/invalid-paths.ts";
import { Rig } from "../rig.ts";
import { filesOf } from "../world.ts";
import { type Distribution, startDistribution } from "./distribution.ts";

describe("a plain distribution in front of a bucket", () => {
  let distribution: Distribution;
  let rig: Rig;
  beforeEach(async () => {
    distribution = await startDistribution();
    const { id, endpoint } = distribution;
    rig = await Rig.open({
      cloudfront: { distribution: id, endpoint },
      limits: { backoffMs: 5, tries: 4 },
    });
  });
  afterEach(async () => {
    await rig[Symbol.asyncDispose]();
    await distribution[Symbol.asyncDispose]();
  });

  it("forgets the documents that changed, and no other, when a release goes live", async () => {
    await rig.deploy(filesOf("one"));
    distribution.taken.length = 0;
    await rig.deploy(filesOf("two"));
    expect(distribution.taken.map(({ paths }) => paths)).toEqual([
      [
        "/",
        "/about",
        "/about/",
        "/about/index.html",
        "/index.html",
        "/new.html",
        "/old.html",
        "/style.css",
      ],
    ]);
  });

  it("forgets them again when the release is put back, and asks nothing without a change", async () => {
    await rig.deploy(filesOf("one"));
    await rig.folder.build(filesOf("two"));
    const plan = await rig.plan();
    await rig.fence();
    await rig.apply(plan, "stage");
    const done = await rig.apply(plan, "activate");
    distribution.taken.length = 0;
    expect(await rig.revert(done)).toEqual(["restored"]);
    expect(distribution.taken).toHaveLength(1);
    expect(distribution.taken[0]?.paths).toContain("/about/");
    await rig.deploy(filesOf("one"));
    expect(distribution.taken).toHaveLength(1);
  });

  it("takes an invalidation down once, although its reply was lost and the step ran twice", async () => {
    await rig.deploy(filesOf("one"));
    await rig.folder.build(filesOf("two"));
    const plan = await rig.plan();
    await rig.fence();
    await rig.apply(plan, "stage");
    distribution.taken.length = 0;
    let isLost = false;
    distribution.trouble = () => {
      if (isLost) return undefined;
      isLost = true;
      return "lost reply";
    };
    const done = await rig.apply(plan, "activate");
    const handler = rig.target.steps.find(({ kind }) => kind === done[0]?.step.kind);
    await handler?.apply(done[0]?.step.input ?? null, done[0]?.before ?? null, rig.context());
    expect(distribution.taken).toHaveLength(1);
    expect(distribution.asked).toBeGreaterThanOrEqual(4);
  });

  it("is waited for while it has too much to do", async () => {
    let refused = 2;
    distribution.trouble = () =>
      (refused -= 1) >= 0 ? "TooManyInvalidationsInProgress" : undefined;
    await rig.deploy(filesOf("one"));
    expect(distribution.taken).toHaveLength(1);
  });

  it.each([
    ["AccessDenied", "S3_DENIED"],
    ["InvalidArgument", "S3_ANSWER"],
  ])("that answers %s ends the step with %s", async (answer, code) => {
    distribution.trouble = () => answer;
    await rig.folder.build(filesOf("one"));
    const plan = await rig.plan();
    await rig.fence();
    await rig.apply(plan, "stage");
    await expect(rig.apply(plan, "activate")).rejects.toMatchObject({ code });
  });

  it("that is not there is said to be missing", async () => {
    const other = await rig.beside({
      cloudfront: { distribution: "EOTHER", endpoint: distribution.endpoint },
    });
    await expect(other.deploy(filesOf("one"))).rejects.toMatchObject({ code: "S3_DISTRIBUTION" });
    await other.connection[Symbol.asyncDispose]();
  });
});

describe("the paths of an invalidation", () => {
  it("are escaped so that nothing in a name is a pattern", () => {
    expect(invalidPaths(["a b/*~é.html"], "")).toEqual(["/a%20b/%2A%7E%C3%A9.html"]);
  });

  it("are whole folders where there are many, and everything where folders are", () => {
    const many = (count: number, folders: number): string[] =>
      Array.from({ length: count }, (_, index) => `f${index % folders}/p${index}.html`);
    expect(invalidPaths(many(30, 1), "")).toHaveLength(30);
    expect(invalidPaths(["index.html", ...many(100, 2)], "")).toEqual([
      "/",
      "/index.html",
      "/f0/*",
      "/f1/*",
    ]);
    expect(invalidPaths(many(100, 50), "")).toEqual(["/*"]);
  });

  it("are named with and without the prefix of the site", () => {
    expect(invalidPaths(["a.html"], "my site/")).toEqual(["/a.html", "/my%20site/a.html"]);
  });
});
