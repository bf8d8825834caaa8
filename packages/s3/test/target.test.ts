import { describe, expect, it } from "vitest";
import { Rig } from "./rig.ts";
import { filesOf, scriptOf } from "./world.ts";

const DAY_MS = 86_400_000;

/** What went over the wire since `from`, without reads of the control object. */
function written(rig: Rig, from: number): string[] {
  return rig.sandbox.requests
    .slice(from)
    .filter(({ method }) => method !== "GET" && method !== "HEAD")
    .map(({ method, key }) => `${method} ${key.replace(/[0-9a-f]{64}/, "#")}`);
}

describe("a deploy", () => {
  it("stores every file with its type, its cache rule and the mark that it is ours", async () => {
    await using rig = await Rig.open();

    await rig.deploy(filesOf("one"));

    const script = rig.objects.get(scriptOf(`console.log("one")`));
    expect(script?.headers).toEqual({
      "cache-control": "public, max-age=31536000, immutable",
      "content-type": "text/javascript; charset=utf-8",
      "x-amz-meta-lockstep": expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(rig.objects.get("index.html")?.headers).toMatchObject({
      "cache-control": "public, max-age=0, must-revalidate",
      "content-type": "text/html; charset=utf-8",
    });
  });

  it("replaces resources before pages, pages before entries, and removes what is gone at the end", async () => {
    await using rig = await Rig.open({ limits: { inFlight: 1 } });
    await rig.deploy(filesOf("one"));
    const from = rig.sandbox.requests.length;
    await rig.folder.build(filesOf("two"));
    const plan = await rig.plan();
    await rig.apply(plan, "stage");
    const staged = rig.sandbox.requests.length;

    await rig.apply(plan, "activate");

    expect(
      written(rig, from)
        .slice(0, -8)
        .every((line) => !line.endsWith(".html")),
    ).toBe(true);
    expect(written(rig, staged)).toEqual([
      "PUT .lockstep/current.json",
      "PUT style.css",
      "PUT about/index.html",
      "PUT new.html",
      "PUT index.html",
      "DELETE old.html",
      "PUT .lockstep/current.json",
    ]);
  });

  it("leaves the assets of earlier releases where open tabs look for them", async () => {
    await using rig = await Rig.open();
    await rig.deploy(filesOf("one"));

    await rig.deploy(filesOf("two"));

    expect(rig.text(scriptOf(`console.log("one")`))).toBe(`console.log("one")`);
  });

  it("leaves what may be an asset of earlier releases there as well, without a year in caches", async () => {
    await using rig = await Rig.open();
    const pageOf = (script: string): string => `<script src="/assets/${script}"></script>`;
    await rig.deploy({ "index.html": pageOf("a-LbhczWro.js"), "assets/a-LbhczWro.js": "1" });

    await rig.deploy({ "index.html": pageOf("a--nYPqbyr.js"), "assets/a--nYPqbyr.js": "2" });

    expect(rig.text("assets/a-LbhczWro.js")).toBe("1");
    expect(rig.objects.get("assets/a--nYPqbyr.js")?.headers["cache-control"]).toBe(
      "public, max-age=0, must-revalidate",
    );
  });

  it("replaces a component that only looks like an asset, and puts it back", async () => {
    await using rig = await Rig.open();
    const page = `<script src="/MyComponent.js"></script>`;
    await rig.deploy({ "index.html": page, "MyComponent.js": "1" });
    await rig.folder.build({ "index.html": page, "MyComponent.js": "2" });
    const plan = await rig.plan();
    await rig.fence();
    await rig.apply(plan, "stage");

    const done = await rig.apply(plan, "activate");
    expect(rig.text("MyComponent.js")).toBe("2");
    await rig.revert(done);

    expect(rig.text("MyComponent.js")).toBe("1");
  });

  it("takes the word of the config for what is an asset", async () => {
    await using rig = await Rig.open({ assets: { include: ["v/**"], exclude: ["v/no/**"] } });

    await rig.deploy({ "index.html": "x", "v/7/app.js": "1", "v/no/app.js": "1" });
    await rig.deploy({ "index.html": "y" });

    expect(rig.text("v/7/app.js")).toBe("1");
    expect(rig.text("v/no/app.js")).toBeUndefined();
    expect(rig.objects.get("v/7/app.js")?.headers["cache-control"]).toContain("immutable");
  });

  it("sends nothing again when nothing changed, and says that it did not look at objects", async () => {
    await using rig = await Rig.open();
    await rig.deploy(filesOf("one"));
    const from = rig.sandbox.requests.length;

    await rig.live();
    const plan = await rig.plan();

    expect(plan.steps).toEqual([]);
    expect(rig.sandbox.requests.slice(from).map(({ method, key }) => `${method} ${key}`)).toEqual([
      "GET .lockstep/current.json",
    ]);
    expect(rig.lines.join("")).toContain("its objects were not looked at");
  });

  it("of one changed page sends ten requests, whatever the size of the site", async () => {
    await using rig = await Rig.open();
    const pages = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`p${n}.html`, `${n}`]));
    await rig.deploy(pages);
    await using later = await rig.beside();
    await later.folder.build({ ...pages, "p7.html": "new" });
    const from = rig.sandbox.requests.length;

    await later.live();
    const plan = await later.plan();
    await later.fence();
    await later.apply(plan, "stage");
    await later.apply(plan, "activate");
    await later.retire(plan);

    const seen = rig.sandbox.requests.slice(from);
    expect(seen.map(({ method, key }) => `${method} ${key.replace(/[0-9a-f]{64}/, "#")}`)).toEqual([
      "GET .lockstep/current.json",
      "GET .lockstep/releases/#.json.gz",
      "PUT .lockstep/current.json",
      "PUT .lockstep/releases/#.json.gz",
      "PUT .lockstep/blobs/#",
      "HEAD p7.html",
      "HEAD p7.html",
      "PUT .lockstep/current.json",
      "PUT p7.html",
      "PUT .lockstep/current.json",
    ]);
  });

  it("changes headers without sending the file again", async () => {
    await using rig = await Rig.open();
    await rig.deploy({ ...filesOf("one"), _headers: "/same.txt\n  cache-control: max-age=60\n" });
    const from = rig.sandbox.requests.length;

    const plan = await rig.deploy({
      ...filesOf("one"),
      _headers: `/same.txt\n  cache-control: max-age=61\n/assets/*\n  content-language: en\n`,
    });

    expect(plan.changes.map(({ what, reason }) => [what, reason])).toEqual([
      [scriptOf(`console.log("one")`), "headers"],
      ["same.txt", "headers"],
    ]);
    expect(rig.objects.get("same.txt")?.headers).toMatchObject({ "cache-control": "max-age=61" });
    expect(rig.objects.get(scriptOf(`console.log("one")`))?.headers).toMatchObject({
      "content-language": "en",
    });
    const sent = rig.sandbox.requests.slice(from).filter(({ method }) => method === "PUT");
    expect(sent.filter(({ key }) => key.includes("blobs/")).length).toBeLessThanOrEqual(2);
    expect(rig.keys()).not.toContain("_headers");
  });

  it("makes objects of redirects", async () => {
    await using rig = await Rig.open();

    await rig.deploy({ ...filesOf("one"), _redirects: "/was /about/\n" });

    for (const key of ["was", "was/index.html"]) {
      expect(rig.objects.get(key)?.headers).toMatchObject({
        "x-amz-website-redirect-location": "/about/",
        "content-type": "text/html; charset=utf-8",
      });
    }
  });

  it("stores names in one Unicode form", async () => {
    await using rig = await Rig.open();
    const decomposed = "cafe\u0301.html";

    await rig.deploy({ ...filesOf("one"), [decomposed]: "<p>coffee" });

    expect(rig.text("caf\u00e9.html")).toBe("<p>coffee");
    expect(rig.keys()).not.toContain(decomposed);
  });

  it("stores keys with spaces and marks as they are", async () => {
    await using rig = await Rig.open();
    const names = ["a b.html", "c+d.html", "e&f=g.html", "h~i!'()*.html", "100%.html", "ü.html"];

    await rig.deploy({
      "index.html": "x",
      ...Object.fromEntries(names.map((name) => [name, `<p>${name}`])),
    });

    for (const name of names) expect(rig.text(name)).toBe(`<p>${name}`);
  });

  it("replaces a file that only looks like an asset, and puts it back", async () => {
    await using rig = await Rig.open();
    const page = `<img src="/photo-20241231a.png">`;
    await rig.deploy({ "index.html": page, "photo-20241231a.png": "first" });
    await rig.folder.build({ "index.html": page, "photo-20241231a.png": "second" });
    const plan = await rig.plan();
    await rig.fence();
    await rig.apply(plan, "stage");
    expect(rig.text("photo-20241231a.png")).toBe("first");

    const done = await rig.apply(plan, "activate");
    expect(rig.text("photo-20241231a.png")).toBe("second");
    await rig.revert(done);

    expect(rig.text("photo-20241231a.png")).toBe("first");
  });
});

describe("a site below a prefix", () => {
  it("never touches its neighbours", async () => {
    await using rig = await Rig.open({ prefix: "site/" });
    rig.edit("site2/index.html", "theirs");
    rig.edit("index.html", "theirs");
    rig.edit("site/theirs.html", "theirs");

    await rig.deploy(filesOf("one"));
    await rig.deploy(filesOf("two"));

    for (const key of ["site2/index.html", "index.html", "site/theirs.html"]) {
      expect(rig.text(key)).toBe("theirs");
    }
    expect(rig.text("site/index.html")).toContain("Welcome two");
  });
});

describe("what somebody else put there", () => {
  it("stops the plan of a first deploy", async () => {
    await using rig = await Rig.open();
    rig.edit("index.html", "theirs");
    await rig.folder.build(filesOf("one"));

    await expect(rig.plan()).rejects.toMatchObject({
      code: "S3_FOREIGN",
      message: expect.stringContaining("index.html"),
    });
  });

  it("stops a later deploy before anything moves", async () => {
    await using rig = await Rig.open();
    await rig.deploy(filesOf("one"));
    rig.edit("about/index.html", "hot fix");
    await rig.folder.build(filesOf("two"));
    const plan = await rig.plan();
    await rig.apply(plan, "stage");

    await expect(rig.apply(plan, "activate")).rejects.toMatchObject({ code: "S3_FOREIGN" });

    expect(rig.text("about/index.html")).toBe("hot fix");
    expect(rig.text("index.html")).toContain("Welcome one");
  });

  it("under the name of a new asset is never replaced", async () => {
    await using rig = await Rig.open();
    await rig.deploy(filesOf("one"));
    rig.edit(scriptOf(`console.log("two")`), "theirs");
    await rig.folder.build(filesOf("two"));

    const failed = rig.apply(await rig.plan(), "stage");

    await expect(failed).rejects.toMatchObject({ code: "S3_FOREIGN" });
    expect(rig.text(scriptOf(`console.log("two")`))).toBe("theirs");
  });
});

describe("a server that ignores conditions", () => {
  it("is found out, is said to be best effort, and keeps what somebody else put there", async () => {
    await using rig = await Rig.open({ server: { quirks: { ignoresConditions: true } } });
    await rig.deploy(filesOf("one"));
    rig.edit(scriptOf(`console.log("two")`), "theirs");
    await rig.folder.build(filesOf("two"));

    const failed = rig.apply(await rig.plan(), "stage");

    await expect(failed).rejects.toMatchObject({ code: "S3_FOREIGN" });
    expect(rig.text(scriptOf(`console.log("two")`))).toBe("theirs");
    expect(rig.lines.join("")).toContain("ignores the conditions of writes");
  });

  it("is said to be best effort by every plan after it was found out", async () => {
    await using rig = await Rig.open({ server: { quirks: { ignoresConditions: true } } });
    await rig.deploy(filesOf("one"));
    await rig.folder.build(filesOf("two"));

    const { steps } = await rig.plan();

    const step = steps.find(({ phase }) => phase === "activate");
    const handler = rig.target.steps.find(({ kind }) => kind === step?.kind);
    expect(handler?.describe(step?.input ?? null)).toContain(
      "over the live ones (best effort: this server ignores conditions)",
    );
  });

  it("is found out when the bucket moved there, whatever another server was seen to do", async () => {
    await using kept = await Rig.open();
    await kept.deploy(filesOf("one"));
    await using rig = await Rig.open({ server: { quirks: { ignoresConditions: true } } });
    for (const [key, object] of kept.objects) rig.objects.set(key, object);

    await rig.deploy(filesOf("two"));

    expect(rig.lines.join("")).toContain("ignores the conditions of writes");
  });

  it("is tried out again by every run: it may be repaired", async () => {
    await using bad = await Rig.open({ server: { quirks: { ignoresConditions: true } } });
    await bad.deploy(filesOf("one"));
    await using good = await Rig.open();
    for (const [key, object] of bad.objects) good.objects.set(key, object);

    await good.deploy(filesOf("two"));

    expect(good.lines.join("")).not.toContain("ignores the conditions of writes");
    expect(JSON.parse(good.text(".lockstep/current.json") ?? "{}")).toMatchObject({
      conditions: { verdict: "obeyed", server: good.server.endpoint, etags: "quoted" },
    });
  });

  it("is not suspected of it when it keeps them, and is tried out once", async () => {
    await using rig = await Rig.open();
    await rig.deploy(filesOf("one"));
    const tried = rig.sandbox.requests.length;

    await rig.deploy(filesOf("two"));

    expect(rig.lines.join("")).not.toContain("ignores the conditions");
    const later = rig.sandbox.requests.slice(tried);
    expect(
      later.filter(({ key }) => key.includes(".trial") || key.includes(".capabilities")),
    ).toEqual([]);
  });
});

describe("a server that knows ETags without quotes", () => {
  it("is asked for them so at once, after it was tried out", async () => {
    await using rig = await Rig.open({ server: { quirks: { unquotedIfMatch: true } } });
    await rig.deploy({ "index.html": "1", "a.html": "a" });
    const from = rig.sandbox.requests.length;

    await rig.deploy({ "index.html": "1", "a.html": "b" });

    const pointers = rig.sandbox.requests.slice(from).filter(({ key }) => key.endsWith(".json"));
    expect(pointers.map(({ method }) => method)).toEqual(["GET", "PUT", "PUT", "PUT"]);
  });
});

describe("guards", () => {
  it("refuse a source without a page", async () => {
    await using rig = await Rig.open();
    await rig.folder.build({ "a.txt": "a" });

    await expect(rig.plan()).rejects.toMatchObject({ code: "S3_EMPTY" });
  });

  it("refuse a release that lost most of the site, unless that is allowed", async () => {
    const many = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`p${n}.html`, `${n}`]));
    await using rig = await Rig.open();
    await rig.deploy(many);
    await rig.folder.build({ "p1.html": "1" });

    await expect(rig.plan()).rejects.toMatchObject({
      code: "S3_SHRUNK",
      message: "The site had 40 files and would have 1.",
    });
  });

  it("refuse a page that needs what is not there", async () => {
    await using rig = await Rig.open();
    await rig.folder.build({ "index.html": `<script src="/gone.js"></script>` });

    await expect(rig.plan()).rejects.toMatchObject({
      code: "S3_REFERENCES",
      message: expect.stringContaining("index.html -> /gone.js"),
    });
  });

  it("refuse rules that a bucket cannot follow, naming the lines", async () => {
    await using rig = await Rig.open();
    await rig.folder.build({ "index.html": "x", _headers: "/*\n  X-Frame-Options: DENY\n" });

    await expect(rig.plan()).rejects.toMatchObject({
      code: "S3_HEADERS_FILE",
      message: expect.stringContaining("line 2"),
    });
  });

  it("refuse files where Lockstep keeps its own", async () => {
    await using rig = await Rig.open({ state: "state/" });
    await rig.folder.build({ "index.html": "x", "state/a.txt": "a" });

    await expect(rig.plan()).rejects.toMatchObject({ code: "S3_KEY" });
  });

  it.each([
    ["where Lockstep keeps its own", "/.lockstep/blobs/x.txt"],
    ["longer than keys can be", `/${"a".repeat(1_500)}`],
    ["longer than keys can be with its page", `/${"a".repeat(1_020)}`],
  ])("refuse a redirect %s", async (_name, from) => {
    await using rig = await Rig.open();
    await rig.folder.build({ "index.html": "x", _redirects: `${from} /x\n` });

    await expect(rig.plan()).rejects.toMatchObject({ code: "S3_KEY" });
  });

  it("are switched off by name", async () => {
    await using rig = await Rig.open({ allow: ["empty", "references", "rules", "shrink"] });

    await rig.deploy({ "a.css": "b { background: url(gone.png) }", _headers: "/*\n  Vary: a\n" });

    expect(rig.keys()).toEqual(["a.css"]);
  });
});

describe("a damaged bucket", () => {
  it.each([
    ["a control object that is cut off", ".lockstep/current.json", '{"version":1,"li'],
    ["a control object of a newer format", ".lockstep/current.json", '{"version":2}'],
    [
      "a control object that names no release",
      ".lockstep/current.json",
      '{"version":1,"live":"x","past":[]}',
    ],
  ])("with %s never counts as empty", async (_name, key, text) => {
    await using rig = await Rig.open();
    await rig.deploy(filesOf("one"));
    rig.edit(key, text);
    await using later = await rig.beside();

    await expect(later.live()).rejects.toMatchObject({ code: "S3_MANIFEST" });
    await expect(later.plan()).rejects.toMatchObject({ code: "S3_MANIFEST" });
    await expect(rig.plan()).rejects.toMatchObject({ code: "S3_MANIFEST" });
  });

  it("with a damaged list of files is not planned against", async () => {
    await using rig = await Rig.open();
    await rig.deploy(filesOf("one"));
    const [key = ""] = [...rig.objects.keys()].filter((name) => name.includes("releases/"));
    await using other = await Rig.open();
    for (const [name, object] of rig.objects) other.objects.set(name, object);
    other.edit(key, "not a list");
    await other.folder.build(filesOf("two"));

    await expect(other.plan()).rejects.toMatchObject({ code: "S3_MANIFEST" });
  });
});

describe("retiring", () => {
  it("keeps five releases, and what was live within seven days", async () => {
    await using rig = await Rig.open();
    for (let version = 0; version < 8; version += 1) {
      await rig.deploy({
        "index.html": `<script src="/${scriptOf(`${version}`)}"></script>`,
        [scriptOf(`${version}`)]: `${version}`,
      });
    }
    expect((await rig.live()).kept).toHaveLength(7);
    expect(rig.keys()).toHaveLength(9);

    rig.now += 8 * DAY_MS;
    await rig.deploy({
      "index.html": `<script src="/${scriptOf("8")}"></script>`,
      [scriptOf("8")]: "8",
    });

    expect((await rig.live()).kept).toHaveLength(4);
    expect(rig.keys()).toEqual(
      ["index.html", ...[4, 5, 6, 7, 8].map((n) => scriptOf(`${n}`))].toSorted((a, b) =>
        a < b ? -1 : 1,
      ),
    );
    expect([...rig.objects.keys()].filter((key) => key.includes("releases/"))).toHaveLength(5);
    expect([...rig.objects.keys()].filter((key) => key.includes("blobs/"))).toHaveLength(5);
  });

  it("removes what a deploy that never went live has left", async () => {
    await using rig = await Rig.open();
    await rig.deploy(filesOf("one"));
    await rig.folder.build(filesOf("two"));
    await rig.apply(await rig.plan(), "stage");
    expect(rig.keys()).toContain(scriptOf(`console.log("two")`));

    await rig.deploy(filesOf("three"));

    expect(rig.keys()).not.toContain(scriptOf(`console.log("two")`));
    expect([...rig.objects.keys()].filter((key) => key.includes("releases/"))).toHaveLength(2);
  });

  it("leaves what somebody else put under the key of an old asset", async () => {
    await using rig = await Rig.open({ keep: { releases: 2, days: 0 } });
    await rig.deploy(filesOf("one"));
    rig.edit(scriptOf(`console.log("one")`), "theirs");
    await rig.deploy(filesOf("two"));

    await rig.deploy(filesOf("three"));

    expect(rig.text(scriptOf(`console.log("one")`))).toBe("theirs");
    expect(rig.lines.join("")).toContain("it stays");
  });
});

describe("a rollback", () => {
  it("brings every page back from the bucket alone, and another deploy goes on from there", async () => {
    await using rig = await Rig.open();
    await rig.deploy(filesOf("one"));
    const one = await rig.live();
    await rig.deploy(filesOf("two"));
    await rig.folder.build({});

    const plan = await rig.plan([one]);
    await rig.fence();
    await rig.apply(plan, "activate");

    expect(rig.text("index.html")).toContain("Welcome one");
    expect(rig.text("old.html")).toContain("Only in one");
    expect(rig.text("new.html")).toBeUndefined();
    await rig.deploy(filesOf("three"));
    expect(rig.text("index.html")).toContain("Welcome three");
  });
});
