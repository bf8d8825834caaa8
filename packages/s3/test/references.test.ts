import { describe, expect, it } from "vitest";
import { readReferences } from "../src/references.ts";

async function brokenIn(
  files: Readonly<Record<string, string>>,
  prefix = "",
): Promise<readonly string[]> {
  const named = Object.entries(files).map(([path, text]) => ({ path, size: text.length }));
  const read = async (path: string): Promise<string> => files[path] ?? "";
  return (await readReferences(named, { others: ["old/index.html"], prefix, read })).broken;
}

describe("a page that needs a file which is not there", () => {
  it.each([
    ["a script", `<script src="/app.js"></script>`],
    ["a style", `<link href=style.css rel=stylesheet>`],
    ["a module ahead of time", `<link rel="modulepreload" href="./chunk.js?v=1#x">`],
    ["a picture", `<img alt="" src='../img/a%20b.png'>`],
    ["one of several pictures", `<img srcset="/there.png 1x, /gone.png 2x">`],
    ["a film", `<video poster="/poster.jpg"></video>`],
    ["a picture whose text holds the end of a tag", `<img alt="a > b" src="/gone.png">`],
    ["a picture ahead of time", `<link rel=preload as=image imagesrcset="/gone.png 2x">`],
    ["a picture in a drawing", `<svg><image href="/gone.png"/></svg>`],
    ["a sprite", `<svg><use href="/gone.svg#a"/></svg>`],
    ["a picture that sends a form", `<input type=image src="/gone.png">`],
    ["a style of its own", `<style>body { background: url(/gone.png) }</style>`],
    ["a style of one tag", `<p class=a style="background: url('/gone.png')">`],
    ["a base on the same site", `<base href="/app/"><script src="main.js"></script>`],
  ])("is found for %s", async (_name, html) => {
    const broken = await brokenIn({ "docs/index.html": html, "there.png": "" });

    expect(broken).toHaveLength(1);
    expect(broken[0]).toMatch(/^docs\/index\.html -> \S/);
  });

  it("is found for what its style needs", async () => {
    const styles = `@import "base.css"; /* url(not.png) */ body { background: url('bg.png') }`;

    expect(await brokenIn({ "css/a.css": styles, "css/base.css": "" })).toEqual([
      "css/a.css -> bg.png",
    ]);
  });
});

describe("a chunk that needs another which is not there", () => {
  it("is found by what it imports, now or later", async () => {
    const text = `import{a}from"./b.11112222.js";import"./there.3f9c2d1a.js";x=()=>import('../c.33334444.js')`;
    const files = { "assets/a.55556666.js": text, "assets/there.3f9c2d1a.js": "" };

    expect(await brokenIn(files)).toEqual([
      "assets/a.55556666.js -> ./b.11112222.js",
      "assets/a.55556666.js -> ../c.33334444.js",
    ]);
  });

  it("is not suspected for the samples of code that it shows", async () => {
    const text = `const sample = 'import { Button } from "./MyButton.js"';`;

    expect(await brokenIn({ "assets/a.55556666.js": text })).toEqual([]);
  });
});

describe("a file with a digest in its name", () => {
  const picture = "a.3f9c2d1a.svg";
  const isNamed = async (files: Readonly<Record<string, string>>): Promise<boolean> => {
    const named = Object.entries(files).map(([path, text]) => ({ path, size: text.length }));
    const read = async (path: string): Promise<string> => files[path] ?? "";
    return (await readReferences(named, { others: [], prefix: "", read })).isNamed(picture);
  };

  it("is named by the texts of others, not by its own", async () => {
    expect(await isNamed({ [picture]: `<title>${picture}</title>` })).toBe(false);
    expect(await isNamed({ [picture]: "", "index.html": `<img src="/${picture}">` })).toBe(true);
  });
});

describe("a page is complete", () => {
  it.each([
    [
      "when its files are there",
      `<script src="app.js"></script><link rel=icon href="/i%20con.svg">`,
    ],
    [
      "whatever other hosts have",
      `<script src="https://cdn.example/a.js"></script><img src="//x/y.png">`,
    ],
    [
      "whatever pages it leads to",
      `<a href="/missing">there</a><link rel="canonical" href="/gone">`,
    ],
    [
      "whatever stands in comments and samples",
      `<!-- <img src="a.png"> --><pre><code><img src="b.png"></code></pre>`,
    ],
    ["whatever its scripts write", `<script>document.write('<img src="a.png">')</script>`],
    ["with pictures inside of it", `<img src="data:image/png;base64,AAAA">`],
    ["with places of a template", `<img src="{{ image }}">`],
    ["with commas in the names of pictures", `<img srcset="/i/w_1,h_2/a.png 1x, /a.png 2x">`],
    ["with commas on other hosts", `<img srcset="https://c.example/w_1,h_2/a.png 1x,/a.png 2x">`],
    ["with pictures inside of a set", `<img srcset="data:image/png;base64,AAAA 1x, /a.png 2x">`],
    ["with marks in numbers", `<img src="/q&#38;a.png"><img src="/q&#x26;a.png">`],
    ["with a base at the top", `<base href="/"><script src="app.js"></script>`],
    ["with parts of a drawing", `<style>p { fill: url(#a) }</style><p style="fill: url(#b)">`],
    ["with a base of its own", `<base href="https://x.example/"><script src="a.js"></script>`],
    ["when a folder has a page", `<iframe src="/frame/"></iframe><iframe src="/old"></iframe>`],
  ])("%s", async (_name, html) => {
    const there = [
      "app.js",
      "i con.svg",
      "frame/index.html",
      "i/w_1,h_2/a.png",
      "a.png",
      "q&a.png",
    ];
    const files = {
      "index.html": html,
      ...Object.fromEntries(there.map((name) => [name, ""])),
    };

    expect(await brokenIn(files)).toEqual([]);
  });

  it("when its base leads below the site", async () => {
    const html = `<base href="/app/"><script src="main.js"></script>`;

    expect(await brokenIn({ "index.html": html, "app/main.js": "" })).toEqual([]);
    expect(await brokenIn({ "deep/index.html": html, "app/main.js": "" })).toEqual([]);
  });

  it("when the site is not at the top of its bucket", async () => {
    const files = { "index.html": `<script src="/site/app.js"></script>`, "app.js": "" };

    expect(await brokenIn(files, "site/")).toEqual([]);
  });
});

describe("a name", () => {
  it("counts as used when a page, a style or a script holds it", async () => {
    const files = {
      "index.html": `<script src="/assets/a.11112222.js"></script>`,
      "assets/a.11112222.js": `import("./b.33334444.js")`,
      "assets/b.33334444.js": "",
      "assets/c.55556666.js": "",
      "assets/d.77778888.chunk.js": "",
      "runtime.js": `e => "assets/" + e + "." + {4:"77778888"}[e] + ".chunk.js"`,
    };
    const named = Object.entries(files).map(([path, text]) => ({ path, size: text.length }));
    const { isNamed } = await readReferences(named, {
      others: [],
      prefix: "",
      read: async (path) => (files as Record<string, string>)[path] ?? "",
    });

    expect(Object.keys(files).filter((path) => isNamed(path))).toEqual([
      "assets/a.11112222.js",
      "assets/b.33334444.js",
      "assets/d.77778888.chunk.js",
    ]);
  });

  it("is looked for in no more time than the text is long", async () => {
    const text = "0".repeat(2_000_000);
    const files = {
      "index.html": text,
      "a.11112222.js": text,
      "b.css": `url(${text}`,
      "c.html": `<img srcset="${text} 1x`,
      "d.html": `<img srcset="/b.css ${text}, /b.css">`,
      "e.html": `<img ${`a="${"0".repeat(20)}" `.repeat(50_000)}`,
      "f.html": `<p ${`b='0' `.repeat(200_000)}`,
    };

    expect(await brokenIn(files)).toHaveLength(0);
  }, 2_000);
});
