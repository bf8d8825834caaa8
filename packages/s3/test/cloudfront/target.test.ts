import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { filesOf, scriptOf } from "../world.ts";
import { NOT_THERE } from "./edge.ts";
import { digestOf, RoutedRig } from "./routed-rig.ts";

const ONE = scriptOf('console.log("one")');
const TWO = scriptOf('console.log("two")');

describe("a site behind the router", () => {
  let world: RoutedRig;
  beforeEach(async () => {
    world = await RoutedRig.open();
  });
  afterEach(async () => world[Symbol.asyncDispose]());

  it("goes live by one write to the store, after which nothing of the bucket changes", async () => {
    const { rig, store } = world;
    const plan = await world.stagedTwo();
    const [objects, asked] = [new Map(rig.objects), store.requests.length];
    expect((await world.edge.visit("/")).body).toContain("Welcome one");
    await rig.apply(plan, "activate");
    expect((await world.edge.visit("/")).body).toContain("Welcome two");
    expect(rig.objects).toEqual(objects);
    const writes = store.requests.slice(asked).filter(({ method }) => method === "POST");
    expect(writes).toHaveLength(1);
  });

  it("shows a staged release to who has its name, before anybody is led to it", async () => {
    const { rig, edge } = world;
    const plan = await world.stagedTwo();
    const name = digestOf(plan.outputs?.["digest"]);
    const stage = rig.target.steps[0]?.describe(plan.steps[0]?.input ?? null);
    expect(stage).toContain(`?lockstep-preview=${name}`);
    const cookies = { "lockstep-preview": name };
    expect((await edge.visit("/new.html", { cookies })).body).toContain("Only in two");
    expect(await edge.visit("/new.html")).toMatchObject({ status: 404 });
    expect((await edge.visit(`/${TWO}`)).status).toBe(200); // the pool is one for all
  });

  it("keeps assets for open pages whatever their names are like", async () => {
    const { rig, edge } = world;
    const chunk = "assets/index-LbhczWro.js";
    const page = `<!doctype html><script src="/${chunk}"></script>`;
    await rig.deploy({ "index.html": page, [chunk]: "1" });
    await rig.deploy({ "index.html": "<p>two</p>", "about.html": "<p>two</p>" });
    expect(await edge.visit(`/${chunk}`)).toMatchObject({ status: 200, body: "1" });
  });

  it("is put back by one write, and keeps the assets of open pages", async () => {
    const { rig, edge } = world;
    await rig.deploy(filesOf("one"));
    await rig.deploy(filesOf("two"));
    expect(await edge.visit(`/${ONE}`)).toMatchObject({ status: 200 });
    const { kept } = await rig.live();
    const plan = await rig.plan([{ ref: kept[0] ?? null, kept: [] }]);
    expect(plan.steps.map(({ phase }) => phase)).toEqual(["activate", "retire"]);
    const puts = rig.sandbox.requests.length;
    await rig.fence();
    await rig.apply(plan, "activate");
    expect((await edge.visit("/about/")).body).toContain("About one");
    expect(await edge.visit("/new.html")).toMatchObject({ status: 404 });
    expect(rig.sandbox.requests.slice(puts).filter(({ method }) => method === "PUT")).toEqual([]);
  });

  it("sends redirects from the store, and the page for what is missing with its status", async () => {
    const { rig, edge } = world;
    const page = "<title>Nothing here</title>";
    const files = { ...filesOf("one"), "404.html": page, _redirects: "/go /about/ 301\n" };
    await rig.deploy(files);
    const redirect = { status: 301, headers: { location: "/about/" } };
    expect(await edge.visit("/go")).toMatchObject(redirect);
    expect(await edge.visit("/go/")).toMatchObject(redirect);
    expect(await edge.visit("/gone")).toMatchObject({ status: 404, body: page });
    expect(await edge.visit("/gone.js")).toMatchObject({ status: 404, body: NOT_THERE });
    expect(rig.keys().filter((key) => key.includes("go"))).toEqual([]);
    const rules = "/go /new-place 302\n/blog/* https://blog.example.com/:splat 308\n";
    await rig.deploy({ ...files, _redirects: rules });
    const elsewhere = { status: 302, headers: { location: "/new-place" } };
    expect(await edge.visit("/go")).toMatchObject(elsewhere);
    const blog = { status: 308, headers: { location: "https://blog.example.com/a" } };
    expect(await edge.visit("/blog/a")).toMatchObject(blog);
  });

  it("writes no list of pages again when only pages changed, and nothing at all without a change", async () => {
    const { rig, store } = world;
    const files = filesOf("one");
    await rig.deploy(files);
    const tables = [...store.values.keys()].filter((key) => key.includes(".t."));
    await rig.deploy({ ...files, "about/index.html": "<p>changed</p>" });
    expect([...store.values.keys()].filter((key) => key.includes(".t."))).toEqual(tables);
    const [puts, asked] = [rig.sandbox.requests.length, store.requests.length];
    const other = await world.beside({});
    expect((await other.plan()).steps).toEqual([]);
    await other.connection[Symbol.asyncDispose]();
    expect(rig.sandbox.requests.slice(puts).map(({ method }) => method)).toEqual(["GET"]);
    expect(store.requests.slice(asked).length).toBeLessThanOrEqual(4);
  });

  it("serves an asset whose headers changed as a document: under its name in the pool it stays", async () => {
    const { rig, edge } = world;
    const files = filesOf("one");
    await rig.deploy(files);
    const rule = "/assets/*\n  cache-control: no-store\n";
    await rig.deploy({ ...files, _headers: rule });
    expect((await edge.visit(`/${ONE}`)).headers["cache-control"]).toBe("no-store");
    expect(rig.objects.get(`p/${ONE}`)?.headers["cache-control"]).toContain("immutable");
  });

  it("copies a large document that did not change inside the bucket", async () => {
    const { rig, edge } = world;
    const film = { "film.mp4": Buffer.alloc(300 * 1024, 7) };
    await rig.deploy({ ...filesOf("one"), ...film });
    const sent = rig.sandbox.requests.length;
    await rig.deploy({ ...filesOf("two"), ...film });
    const puts = rig.sandbox.requests.slice(sent).filter(({ key }) => key.endsWith("/film.mp4"));
    expect(puts.map(({ method }) => method)).toEqual(["HEAD", "PUT"]);
    expect((await edge.visit("/film.mp4")).body).toHaveLength(300 * 1024);
  });

  it("refuses an object that somebody else put below the prefix of the release", async () => {
    const { rig } = world;
    await rig.folder.build(filesOf("one"));
    const plan = await rig.plan();
    const name = digestOf(plan.outputs?.["digest"]);
    rig.edit(`r/${name}/index.html`, "by hand");
    await rig.fence();
    await expect(rig.apply(plan, "stage")).rejects.toMatchObject({ code: "S3_FOREIGN" });
    expect(rig.text(`r/${name}/index.html`)).toBe("by hand");
  });

  it("removes releases that are not kept: documents, lists and their own assets, and nothing else", async () => {
    const { rig, store } = world;
    await rig.deploy(filesOf("one"));
    rig.edit("r/notes.txt", "mine");
    store.edit("other.control", "{}");
    for (const version of ["two", "three", "four", "five", "six"]) {
      rig.now += 10 * 86_400_000;
      await rig.deploy(filesOf(version));
    }
    const releases = [...rig.objects.keys()].filter((key) => key.includes(".lockstep/releases/"));
    expect(releases).toHaveLength(5);
    expect(rig.text(`p/${ONE}`)).toBeUndefined();
    expect(rig.text(`p/${TWO}`)).toBeDefined();
    const documents = new Set(rig.keys().map((key) => /^r\/([0-9a-f]{64})\//.exec(key)?.[1]));
    documents.delete(undefined);
    expect(documents.size).toBe(5);
    expect(rig.text("r/notes.txt")).toBe("mine");
    expect([...store.values.keys()].filter((key) => key.includes(".staged."))).toHaveLength(5);
    expect(store.values.has("other.control")).toBe(true);
  });

  it("removes nothing any more once a newer run came", async () => {
    const { rig, store } = world;
    await rig.deploy(filesOf("one"));
    rig.now += 10 * 86_400_000;
    for (const version of ["two", "three", "four", "five"]) await rig.deploy(filesOf(version));
    await rig.folder.build(filesOf("six"));
    rig.now += 10 * 86_400_000;
    const plan = await rig.plan();
    await rig.fence();
    await rig.apply(plan, "stage");
    await rig.apply(plan, "activate");
    const [objects, keys] = [new Set(rig.objects.keys()), [...store.values.keys()]];
    let writes = 0;
    store.beforeWrite = () => {
      // after the list of the past was cut, before the first value is removed
      if ((writes += 1) !== 2) return;
      const control = JSON.parse(store.values.get("site.control") ?? "{}") as {
        stamp: { epoch: number };
      };
      control.stamp.epoch = 99;
      store.edit("site.control", JSON.stringify(control));
    };
    await expect(rig.retire(plan)).rejects.toMatchObject({ code: "FENCED" });
    expect(new Set(rig.objects.keys())).toEqual(objects);
    expect([...store.values.keys()]).toEqual(keys);
  });

  it("goes live although another site of the store is written at the same moment", async () => {
    const { rig, store, edge } = world;
    let times = 3;
    store.beforeWrite = () => {
      if ((times -= 1) >= 0) store.edit("neighbour", String(times));
    };
    await rig.deploy(filesOf("one"));
    expect(await edge.visit("/")).toMatchObject({ status: 200 });
    expect(store.values.get("neighbour")).toBe("0");
  });

  it("gives up after a while when the store is never left alone", async () => {
    const { rig, store } = world;
    await rig.folder.build(filesOf("one"));
    store.beforeWrite = () => store.edit("neighbour", String(Math.random()));
    await expect(rig.fence()).rejects.toMatchObject({ code: "S3_KEY_VALUES", retryable: true });
  });

  it("is fenced when a newer run writes between its look and its write", async () => {
    const { rig, store } = world;
    const plan = await world.stagedTwo();
    const control = JSON.parse(store.values.get("site.control") ?? "{}") as {
      stamp: { epoch: number };
    };
    store.beforeWrite = () => {
      control.stamp.epoch = 99;
      store.edit("site.control", JSON.stringify({ ...control, nonce: "theirs" }));
    };
    await expect(rig.apply(plan, "activate")).rejects.toMatchObject({ code: "FENCED" });
    expect((await world.edge.visit("/")).body).toContain("Welcome one");
  });

  it("says that a store is damaged, and never takes it for an empty one", async () => {
    const { rig, store } = world;
    store.edit("site.control", "not ours");
    await expect(rig.live()).rejects.toMatchObject({ code: "S3_KEY_VALUES" });
    await expect(rig.fence()).rejects.toMatchObject({ code: "S3_KEY_VALUES" });
  });

  it("keeps a long past in several values, and finds it again", async () => {
    const { rig, store } = world;
    for (let index = 0; index < 15; index += 1) {
      await rig.deploy({ "index.html": `<p>${index}</p>` });
      await sleep(1);
    }
    const { kept } = await rig.live();
    expect(kept).toHaveLength(14);
    expect(store.values.has("site.past.1")).toBe(true);
    const other = await world.beside({});
    expect((await other.live()).kept).toEqual(kept);
    rig.now += 30 * 86_400_000;
    await rig.deploy({ "index.html": "<p>last</p>" });
    expect((await rig.live()).kept).toHaveLength(4);
    expect(store.values.has("site.past.1")).toBe(false);
    await other.connection[Symbol.asyncDispose]();
  });
});
