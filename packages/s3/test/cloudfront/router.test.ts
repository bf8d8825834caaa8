import { describe, expect, it } from "vitest";
import { looksDigested } from "../../src/assets.ts";
import { cloudFrontFunctions } from "../../src/cloudfront/router.ts";
import { DIGESTED } from "../../src/cloudfront/shape.ts";
import { Edge, NOT_THERE } from "./edge.ts";
import { edgeOf, PATHS, SCRIPT, worldOf } from "./router-world.ts";

describe("the router", () => {
  const world = worldOf(PATHS, { old: "/docs/", "old/index.html": "/docs/", "x.php": "/about" });
  const { documents } = world;
  const edge = edgeOf(world);

  it.each([
    ["/", "index.html"],
    ["/index.html", "index.html"],
    ["/about", "about.html"],
    ["/about.html", "about.html"],
    ["/docs/", "docs/index.html"],
    ["/docs/index.html", "docs/index.html"],
    ["/docs/a%20b", "docs/a b.html"],
    ["/docs/%C3%BC.html", "docs/ü.html"],
    ["/feed.xml", "feed.xml"],
    ["/img/photo.0123456a.png", "img/photo.0123456a.png"],
    ["/.well-known/security.txt", ".well-known/security.txt"],
  ])("serves %s from the document %s", async (uri, path) => {
    expect(await edge.visit(uri)).toMatchObject({ status: 200, body: `${documents}${path}` });
    expect(await edge.visit(uri, { method: "HEAD" })).toMatchObject({ status: 200, body: "" });
    const query = { utm: "1", q: "a&b" };
    expect(await edge.visit(uri, { query })).toMatchObject({ body: `${documents}${path}` });
  });

  it.each([
    ["/docs", "/docs/"],
    ["/about/", "/about"],
    ["/old", "/docs/"],
    ["/old/", "/docs/"],
    ["/x.php", "/about"],
  ])("sends %s to %s", async (uri, location) => {
    expect(await edge.visit(uri)).toMatchObject({ status: 301, headers: { location } });
  });

  it("serves the pool under the names of the site, and answers a missing asset without a page", async () => {
    expect(await edge.visit(`/${SCRIPT}`)).toMatchObject({ status: 200, body: `p/${SCRIPT}` });
    const missing = await edge.visit("/assets/app.ffffffff1.js");
    expect(missing).toMatchObject({ status: 404, body: NOT_THERE });
    expect(await edge.visit("/gone.js")).toMatchObject({ status: 404, body: NOT_THERE });
  });

  it.each(["/nothing", "/nothing/", "/docs/nothing.html", "/about/deeper", "/r/x", "/p/page"])(
    "answers %s with the page for what is missing, and its status",
    async (uri) => {
      expect(await edge.visit(uri)).toMatchObject({ status: 404, body: `${documents}404.html` });
    },
  );

  it.each([
    "/../.lockstep/current.json",
    "/%2e%2e/.lockstep/current.json",
    "/docs/%2e%2e%2f%2e%2e%2f.lockstep/current.json",
    "/./index.html",
    "//evil.example.com/",
    "/%2fevil.example.com",
    "/a//b",
    "/a%5cb",
    "/a%00b",
    "/%",
    "/%ff",
  ])("refuses %s", async (uri) => {
    expect(await edge.visit(uri)).toMatchObject({ status: 404, body: "Not found.\n" });
  });

  it("never serves what Lockstep keeps for itself", async () => {
    for (const uri of ["/.lockstep/current.json", `/${documents}index.html`, `/p/${SCRIPT}`]) {
      expect((await edge.visit(uri)).body, uri).not.toContain(".lockstep");
    }
    const routed = await edge.route("/.lockstep/current.json");
    expect(routed).toMatchObject({ uri: "/p/.lockstep/current.json" }); // where nothing is
  });

  it("reads the store twice for a page, and three times for a redirect", async () => {
    for (const [uri, reads] of [
      ["/about", 2],
      [`/${SCRIPT}`, 2],
      ["/old", 3],
    ] as const) {
      edge.reads = 0;
      await edge.visit(uri);
      expect(edge.reads, uri).toBe(reads);
    }
  });

  it("says its version and its site", async () => {
    const answer = await edge.visit("/.well-known/lockstep-router");
    expect(answer).toMatchObject({ status: 200, body: "lockstep-router/1 site\n" });
  });

  it("answers 503 while nothing is live, and while the list of pages cannot be read", async () => {
    const values = new Map<string, string>();
    const empty = new Edge(cloudFrontFunctions(), { values, objects: new Map() });
    expect(await empty.visit("/")).toMatchObject({ status: 503 });
    values.set("site", world.values.get("site") ?? "");
    expect(await empty.visit("/")).toMatchObject({ status: 503 });
  });
});

describe("redirects of the router", () => {
  const edge = edgeOf(
    worldOf(PATHS, {
      about: "/never", // there is a page of that name
      moved: "302 https://other.example.com/x?y=1",
      "blog/*": "308 /news/:splat",
      "blog/old/*": "/archive/",
      "docs/*": "307 /manual/:splat?from=docs",
      "go/:a": "/x",
    }),
  );

  it.each([
    ["/moved", 302, "https://other.example.com/x?y=1"],
    ["/blog/2024/a%20b", 308, "/news/2024/a%20b"],
    ["/blog/$&/x", 308, "/news/%24%26/x"],
    ["/blog", 308, "/news/"],
    ["/blog/", 308, "/news/"],
    ["/blog/old/x", 301, "/archive/"],
    ["/docs/gone", 307, "/manual/gone?from=docs"],
  ])("send %s with %s to %s", async (uri, status, location) => {
    expect(await edge.visit(uri)).toMatchObject({ status, headers: { location } });
  });

  it("come before the pool, but for names that hold a digest", async () => {
    const manual = { status: 307, headers: { location: "/manual/a.pdf?from=docs" } };
    expect(await edge.visit("/docs/a.pdf")).toMatchObject(manual);
    const old = await edge.visit("/docs/app.3f9c2d1a.js");
    expect(old).toMatchObject({ status: 404, body: NOT_THERE });
  });

  it("never hide a page, and take nothing else", async () => {
    expect(await edge.visit("/about")).toMatchObject({ status: 200 });
    expect(await edge.visit("/docs/")).toMatchObject({ status: 200 });
    expect(await edge.visit("/blogs")).toMatchObject({ status: 404 });
    expect(await edge.visit("/blog//evil.example.com")).toMatchObject({ status: 404 });
  });
});

describe("an application of one page", () => {
  it("answers for every page that is none, and for no script", async () => {
    const world = worldOf(PATHS, { "*": "200 /index.html", "old/*": "301 /new" });
    const edge = edgeOf(world);
    const page = { status: 200, body: `${world.documents}index.html` };
    expect(await edge.visit("/users/7")).toMatchObject(page);
    expect(await edge.visit("/users/7/")).toMatchObject(page);
    expect(await edge.visit("/about")).toMatchObject({ body: `${world.documents}about.html` });
    expect(await edge.visit("/old/x")).toMatchObject({ status: 301 });
    expect(await edge.visit("/chunk.js")).toMatchObject({ status: 404, body: NOT_THERE });
    const chunk = await edge.visit("/assets/app.ffffffff1.js");
    expect(chunk).toMatchObject({ status: 404, body: NOT_THERE });
    expect(() => worldOf(["index.html"], { "*": "200 /app.html" })).toThrow("app.html");
  });
});

describe("a staged release", () => {
  const world = worldOf(PATHS);
  const next = worldOf([...PATHS, "new.html"]);
  for (const [key, value] of next.values) {
    if (key !== "site") world.values.set(key, value);
  }
  world.values.set(`site.staged.${next.route.id}`, next.values.get("site") ?? "");
  for (const [key, object] of next.objects) world.objects.set(key, object);
  const edge = edgeOf(world);
  const cookies = { "lockstep-preview": next.route.id };

  it("is shown to who has its key, and never comes from the cache to anybody else", async () => {
    const shown = await edge.visit("/new", { cookies });
    expect(shown).toMatchObject({ status: 200, body: `${next.documents}new.html` });
    expect(await edge.visit("/new")).toMatchObject({ status: 404 });
    await edge.visit("/", { cookies });
    expect((await edge.visit("/")).body).toBe(`${world.documents}index.html`);
    expect((await edge.visit("/", { cookies })).body).toBe(`${next.documents}index.html`);
  });

  it("is chosen by a parameter, which becomes a cookie", async () => {
    const query = { "lockstep-preview": next.route.id };
    const chosen = await edge.visit("/docs/a%20b", { query });
    expect(chosen).toMatchObject({
      status: 302,
      headers: { location: "/docs/a%20b", "cache-control": "no-store" },
    });
    expect(chosen.cookie).toBe(
      `${next.route.id}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=3600`,
    );
    const left = await edge.visit("//evil.example.com", { query: { "lockstep-preview": "off" } });
    expect(left).toMatchObject({ status: 302, headers: { location: "/" } });
    expect(left.cookie).toContain("Max-Age=0");
  });

  it("that is gone is said to be gone, and a key that is none is not looked at", async () => {
    const gone = { "lockstep-preview": "f".repeat(64) };
    expect(await edge.visit("/", { cookies: gone })).toMatchObject({ status: 404 });
    for (const value of ["../x", "site", "", next.route.id.toUpperCase()]) {
      const served = await edge.visit("/", { cookies: { "lockstep-preview": value } });
      expect(served.body, value).toBe(`${world.documents}index.html`);
    }
  });
});

describe("the host", () => {
  it("chooses the pointer of a branch, and nothing else does", async () => {
    const world = worldOf(PATHS);
    const moved = [...world.values].map(
      ([key, value]) => [key.replace("site", "site~feature-1"), value] as const,
    );
    const edge = edgeOf({ ...world, values: new Map(moved) });
    const host = "Feature-1.preview.example.com:443";
    expect(await edge.visit("/", { host })).toMatchObject({ status: 200 });
    expect(await edge.visit("/")).toMatchObject({ status: 503 });
    const other = { host: "other.preview.example.com" };
    expect(await edge.visit("/", other)).toMatchObject({ status: 503 });
    const odd = { host: "a/b.preview.example.com" };
    expect(await edge.visit("/", odd)).toMatchObject({ status: 404 });
  });
});

describe("the code", () => {
  const { viewerRequest, viewerResponse } = cloudFrontFunctions({ previews: "p.example.com" });

  it("is the same for the same options, and fits into 10 KB", () => {
    expect(cloudFrontFunctions({ previews: "p.example.com" }).viewerRequest).toBe(viewerRequest);
    expect(Buffer.byteLength(viewerRequest)).toBeLessThan(10 * 1024);
    expect(Buffer.byteLength(viewerResponse)).toBeLessThan(10 * 1024);
  });

  it("uses nothing that the runtime lacks", () => {
    for (const code of [viewerRequest, viewerResponse]) {
      const bare = code.replaceAll(
        /\/(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/|'[^'\n]*'/g,
        "''",
      );
      expect(bare).not.toMatch(
        /\bfor\s*\(|\.\.\.|\?\.|\?\?|\bclass\b|=>\s*async|\([^()]*\bawait\b/,
      );
      expect(code).not.toMatch(/\(\?<|\beval\b|\bFunction\b|setTimeout|Promise/);
    }
  });

  it("refuses a site and a host that would be code", () => {
    expect(() => cloudFrontFunctions({ site: "a';b" })).toThrow(TypeError);
    expect(() => cloudFrontFunctions({ previews: "a'b.example.com" })).toThrow(TypeError);
    expect(() => cloudFrontFunctions({ previews: "example" })).toThrow(TypeError);
  });
});

describe("the shape of names", () => {
  it("is what the rest of the package sees in them", () => {
    const pieces = [
      "app",
      "index",
      "3f9c2d1a",
      "20240101",
      "12345678",
      "BxZ81kQa",
      "html",
      "ABC12345",
    ];
    const parts = [
      ...pieces,
      "what3words",
      "deadbeef",
      "js",
      "HTML",
      "_",
      "A1b2C3d4E5",
      "9".repeat(65),
    ];
    const names = parts.flatMap((a) =>
      parts.flatMap((b) => ["", ".", "-", "_"].flatMap((s) => [`${a}${s}${b}`, `${a}${s}${b}.js`])),
    );
    const wrong = names
      .flatMap((name) => [name, `${name}.html`, `x.3f9c2d1a.d/${name}`, `.${name}.css`])
      .filter((name) => DIGESTED.test(name) !== looksDigested(name));
    expect(wrong).toEqual([]);
  });
});

describe("the table of a large site", () => {
  const paths = Array.from({ length: 20_000 }, (_, index) => `docs/page-${index}/index.html`);
  const world = worldOf(paths);

  it("fits into values of the store, and finds each page and no other", async () => {
    for (const [key, value] of world.values) {
      expect(Buffer.byteLength(value)).toBeLessThanOrEqual(1024);
      expect(Buffer.byteLength(key)).toBeLessThanOrEqual(512);
    }
    expect(world.values.size).toBeLessThan(200);
    const edge = edgeOf(world);
    for (const index of [0, 1, 777, 19_999]) {
      const served = await edge.visit(`/docs/page-${index}/`);
      expect(served.body).toBe(`${world.documents}docs/page-${index}/index.html`);
      expect(await edge.visit(`/docs/page-${index}x/`)).toMatchObject({ status: 404 });
    }
  });
});
