import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hostLabel } from "../../src/cloudfront/options.ts";
import { s3 } from "../../src/index.ts";
import type { CloudFrontOptions } from "../../src/index.ts";
import { filesOf } from "../world.ts";
import { RoutedRig } from "./routed-rig.ts";

const host = "feature-login-2.preview.example.com";

describe("the preview of a branch", () => {
  let world: RoutedRig;
  beforeEach(async () => {
    world = await RoutedRig.open();
  });
  afterEach(async () => world[Symbol.asyncDispose]());

  it("has a host, a prefix and a pointer of its own, and leaves the site alone", async () => {
    const { rig, edge } = world;
    await rig.deploy(filesOf("one"));
    const branch = await world.beside({ branch: "feature/Login_2" });
    await branch.deploy(filesOf("two"));
    expect((await edge.visit("/", { host })).body).toContain("Welcome two");
    expect((await edge.visit("/")).body).toContain("Welcome one");
    expect(branch.target.places.join(" ")).toContain("/b/feature-login-2/");
    const below = rig.keys().filter((key) => key.startsWith("b/feature-login-2/"));
    expect(below.length).toBeGreaterThan(5);
    await branch.connection[Symbol.asyncDispose]();
  });

  it("is taken away with all that it had, and can be put back until then", async () => {
    const { rig, store, edge } = world;
    await rig.deploy(filesOf("one"));
    const branch = await world.beside({ branch: "feature/Login_2" });
    await branch.deploy(filesOf("two"));
    const remover = await world.beside({ branch: "feature/Login_2", remove: true });
    const plan = await remover.plan();
    expect(plan.steps.map(({ phase }) => phase)).toEqual(["activate", "retire"]);
    await remover.fence();
    const done = await remover.apply(plan, "activate");
    expect(await edge.visit("/", { host })).toMatchObject({ status: 503 });
    expect(await remover.revert(done)).toEqual(["restored"]);
    expect((await edge.visit("/", { host })).body).toContain("Welcome two");
    await remover.apply(plan, "activate");
    await remover.retire(plan);
    const left = [...rig.objects.keys()].filter((key) => key.startsWith("b/"));
    expect(left).toEqual([]);
    const values = [...store.values.keys()].filter((key) => key.startsWith("site~"));
    expect(values).toEqual(["site~feature-login-2.control"]);
    expect((await remover.plan()).steps).toEqual([]);
    expect((await edge.visit("/")).body).toContain("Welcome one");
    await branch.connection[Symbol.asyncDispose]();
    await remover.connection[Symbol.asyncDispose]();
  });
});

describe("the label of a branch", () => {
  it.each([
    ["feature/Login_2", "feature-login-2"],
    ["--x--", "x"],
    ["a".repeat(80), "a".repeat(63)],
    ["ünïcode", "n-code"],
    ["///", ""],
  ])("of %j is %j", (branch, label) => {
    expect(hostLabel(branch)).toBe(label);
  });
});

describe("options of CloudFront", () => {
  const keyValueStore = "arn:aws:cloudfront::123456789012:key-value-store/5a1c0d1e";
  const problemsOf = (cloudfront: CloudFrontOptions): string[] =>
    (s3({ bucket: "shop", source: "dist", cloudfront }).problems ?? []).map(
      ({ path, message }) => `${path.join(".")}: ${message}`,
    );

  it("take a store, or a distribution", () => {
    expect(problemsOf({ keyValueStore })).toEqual([]);
    expect(problemsOf({ distribution: "EDFDVBD6EXAMPLE" })).toEqual([]);
    expect(s3({ bucket: "shop", source: "dist", cloudfront: { keyValueStore } })).toMatchObject({
      traits: { fencing: "compare" },
      places: ["s3://shop/", "kvs://5a1c0d1e/site"],
    });
  });

  it.each<[CloudFrontOptions, RegExp]>([
    [{}, /keyValueStore: Either/],
    [{ keyValueStore, distribution: "E1" }, /distribution: With a key value store/],
    [{ distribution: "E1", branch: "x" }, /branch: Branches need/],
    [{ keyValueStore, branch: "//" }, /branch: This has neither/],
    [{ keyValueStore, remove: true }, /remove: Only a branch/],
    [{ keyValueStore: "shop" }, /keyValueStore: This is no ARN/],
    [{ keyValueStore, site: "A b" }, /site: A site has/],
  ])("that are wrong say so: %j", (options, problem) => {
    expect(problemsOf(options)).toEqual([expect.stringMatching(problem)]);
  });
});
