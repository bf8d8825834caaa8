import { randomInt } from "node:crypto";
import { describe, expect, it } from "vitest";
import { looksDigested, mayBeDigested } from "../src/assets.ts";
import { readHeadersFile } from "../src/rules/headers-file.ts";
import { matcher } from "../src/rules/pattern.ts";
import { configRules, headerPolicy } from "../src/rules/policy.ts";
import { readRedirectsFile, redirectPaths } from "../src/rules/redirects-file.ts";

const CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LETTERS = `${CAPITALS}${CAPITALS.toLowerCase()}0123456789`;
const ALPHABETS = { base64url: `${LETTERS}-_`, base62: LETTERS, base32: `${CAPITALS}234567` };

/** The same numbers for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe("a pattern", () => {
  it.each([
    ["*.html", "index.html", true],
    ["*.html", "docs/index.html", false],
    ["**/*.html", "index.html", true],
    ["**/*.html", "a/b/index.html", true],
    ["/docs/**", "docs/a/b.txt", true],
    ["docs/**", "site/docs/a", false],
    ["a+b(1).js", "a+b(1).js", true],
    ["a.js", "axjs", false],
  ])("%s meets %s: %s", (pattern, path, wanted) => {
    expect(matcher(pattern)(path)).toBe(wanted);
  });
});

describe("a name that looks like a digest", () => {
  it.each([
    "assets/app.3f9c2d1a.js",
    "assets/index-BxZ81kQa.css",
    "chunk-6IKVQ2HD.js",
    "_next/static/chunks/main-4f9c2d1ae0b7.js",
    "media/inter.0ee2d1ab.woff2",
    "app.11112222.js",
  ])("is %s", (path) => {
    expect(looksDigested(path)).toBe(true);
    expect(mayBeDigested(path)).toBe(true);
  });

  it.each([
    "index.html",
    "robots.txt",
    "sw.js",
    "favicon.ico",
    "manifest.webmanifest",
    "jquery.min.js",
    "background.png",
    "post.3f9c2d1a.html",
    "internationalization.js",
    "icons/what3words.svg",
    "icons/99designs.svg",
    "photos/party-20240101.jpg",
    "photos/img_00012345.jpg",
    "report.20240101.pdf",
    "effaced-decade.css",
    "README.md",
    "prices-Brochure.pdf",
    "photos/Overview.jpg",
    "fonts/NotoSans-Regular.woff2",
  ])("is not %s", (path) => {
    expect(looksDigested(path)).toBe(false);
    expect(mayBeDigested(path)).toBe(false);
  });

  it.each([
    "assets/index-LbhczWro.js",
    "assets/index-LbhczWro.js.map",
    "assets/logo-Cv_hczWr.svg",
    "chunk-UEZQHOAR.js",
    "assets/index--nYPqbyr.js",
    "_nuxt/Fv-gJkTe.js",
  ])("may be %s, which has no year in caches", (path) => {
    expect(looksDigested(path)).toBe(false);
    expect(mayBeDigested(path)).toBe(true);
  });

  it.each([
    ["Vite", "base64url", 8, (digest: string) => `assets/index-${digest}.js`],
    ["Vite with a picture", "base64url", 8, (digest: string) => `assets/logo-${digest}.webp`],
    ["Nuxt", "base64url", 8, (digest: string) => `_nuxt/${digest}.js`],
    ["Astro", "base64url", 8, (digest: string) => `_astro/index.${digest}.css`],
    ["esbuild", "base32", 8, (digest: string) => `chunk-${digest}.js`],
    ["others", "base62", 10, (digest: string) => `a.${digest}.js`],
  ] as const)("is found in what %s writes, whatever the digest", (_name, abc, length, nameOf) => {
    const seed = randomInt(2 ** 31);
    const random = randomOf(seed);
    const letters = ALPHABETS[abc];
    const digestOf = (): string =>
      Array.from({ length }, () => letters[Math.floor(random() * letters.length)]).join("");
    const names = Array.from({ length: 4_000 }, () => nameOf(digestOf()));

    const found = names.filter((name) => mayBeDigested(name)).length;

    expect(found / names.length, `seed ${seed}`).toBeGreaterThanOrEqual(0.97);
  });
});

describe("headers", () => {
  it("let assets be kept for ever, and everything else be asked for again", () => {
    const policy = headerPolicy([]);

    expect(policy({ path: "app.3f9c2d1a.js", isAsset: true })).toEqual({
      "cache-control": "public, max-age=31536000, immutable",
      "content-type": "text/javascript; charset=utf-8",
    });
    expect(policy({ path: "robots.txt", isAsset: false })["cache-control"]).toBe(
      "public, max-age=0, must-revalidate",
    );
  });

  it("follow the last rule, and lose what a rule removes", () => {
    const policy = headerPolicy(
      configRules([
        { match: "**", set: { "cache-control": "no-store", "content-language": "en" } },
        { match: "feed", set: { "content-type": "application/rss+xml", "content-language": null } },
      ]),
    );

    expect(policy({ path: "feed", isAsset: false })).toEqual({
      "cache-control": "no-store",
      "content-type": "application/rss+xml",
    });
  });
});

describe("a _headers file", () => {
  const text = `
# for all
/*
  X-Amz-Meta-Team: shop
/docs/*
  Cache-Control: public
  cache-control: max-age=60
/about
  ! Cache-Control
/blog/:slug/
  Content-Language: de
`;

  it("sets headers by the path of the URL, joins repeated ones and takes back others", () => {
    const { rules, problems } = readHeadersFile(text);
    const policy = headerPolicy(rules);
    const headersOf = (path: string): unknown => policy({ path, isAsset: false });

    expect(problems).toEqual([]);
    expect(headersOf("docs/index.html")).toMatchObject({
      "cache-control": "public, max-age=60",
      "x-amz-meta-team": "shop",
    });
    expect(headersOf("about/index.html")).not.toHaveProperty("cache-control");
    expect(headersOf("blog/one/index.html")).toHaveProperty("content-language", "de");
    expect(headersOf("blog/one/two/index.html")).not.toHaveProperty("content-language");
  });

  it("names each line that a bucket cannot follow", () => {
    const { problems } = readHeadersFile(
      "  A: b\n/x\n  X-Frame-Options: DENY\n  what\nhttps://a.example/\n",
    );

    expect(problems).toEqual([
      "line 1: a header stands above the first path",
      "line 3: x-frame-options: an object cannot keep this header",
      "line 4: it is neither a path nor a header",
      "line 5: only paths are known here, no hosts",
    ]);
  });
});

describe("a _redirects file", () => {
  it("sends single paths elsewhere", () => {
    const { rules, problems } = readRedirectsFile(
      "/old /new\n\n/out https://example.com/x 301! # away\n",
    );

    expect(problems).toEqual([]);
    expect(rules).toEqual([
      { from: "/old", to: "/new" },
      { from: "/out", to: "https://example.com/x" },
    ]);
  });

  it.each([
    ["/* /index.html 200", "without patterns"],
    ["/a /b 302", "301, not 302"],
    ["/a /b 301 Country=de", "conditions"],
    ["/a/../b /c", "without patterns"],
    ["/a //evil.example", "neither a path nor a URL"],
    ["/a javascript:alert(1)", "neither a path nor a URL"],
    ["/a /b/:splat", "patterns"],
    ["/a", "neither a path nor a URL"],
    ["/100% /b", "percent"],
    ["/%2e%2e/%2e%2e/etc/passwd /x", "no key"],
    ["/a/%2e /x", "no key"],
    ["/a%2f%2fb /x", "no key"],
    ["/a%0ab.txt /x", "no key"],
    ["/a%5cb /x", "no key"],
    ["/a%E2%80%A8b /x", "no key"],
    ["/%C3%28 /x", "no key"],
  ])("names the line %s", (line, problem) => {
    expect(readRedirectsFile(line)).toEqual({
      rules: [],
      problems: [expect.stringContaining(problem)],
    });
  });

  it("names folders that are no keys for a router, too", () => {
    expect(readRedirectsFile("/%2e%2e/* /x\n/a%0a/* /x\n", "router").problems).toEqual([
      "line 1: the path is no key",
      "line 2: the path is no key",
    ]);
  });

  it("has other statuses and whole folders for a router, and no more", () => {
    const { rules, problems } = readRedirectsFile(
      "/a /b 302\n/blog/* /news/:splat 308!\n/x/* /y\n/b/* /:splat/:splat\n/c/*/d /e\n/d /e 200\n/a/* /index.html 200\n/* /index.html 200",
      "router",
    );
    expect(rules).toEqual([
      { from: "/a", to: "/b", status: 302 },
      { from: "/blog/*", to: "/news/:splat", status: 308 },
      { from: "/x/*", to: "/y" },
      { from: "/*", to: "/index.html", status: 200 },
    ]);
    expect(problems.map((problem) => problem.slice(0, 6))).toEqual([
      "line 4",
      "line 5",
      "line 6",
      "line 7",
    ]);
  });

  it.each([
    ["/old", ["old", "old/index.html"]],
    ["/old/", ["old", "old/index.html"]],
    ["/old.html", ["old.html"]],
    ["/", ["index.html"]],
    ["/caf%C3%A9", ["café", "café/index.html"]],
    ["/cafe%CC%81.html", ["café.html"]],
    ["/what%3F.html", ["what?.html"]],
    ["/blog/*", ["blog/*"]],
    ["/*", ["*"]],
  ])("makes objects for %s", (from, paths) => {
    expect(redirectPaths({ from, to: "/" })).toEqual(paths);
  });
});
