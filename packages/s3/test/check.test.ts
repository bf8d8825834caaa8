import { gzipSync } from "node:zlib";
import type { CheckResult, TargetPlan } from "@lockstep/plugin";
import { describe, expect, it } from "vitest";
import type { CheckOptions } from "../src/check-options.ts";
import { Rig } from "./rig.ts";
import { startWebsite, type Website } from "./website.ts";
import { filesOf, scriptOf } from "./world.ts";

/** A shop whose second release is live, and its website. */
async function open(
  asked: Partial<CheckOptions> = { paths: ["/", "/about/"], sample: 10 },
  first: Readonly<Record<string, string>> = filesOf("one"),
): Promise<
  AsyncDisposable & { rig: Rig; website: Website; ask(of?: TargetPlan): Promise<CheckResult> }
> {
  const plain = await Rig.open();
  const website = await startWebsite(plain.objects);
  const rig = await plain.again({ check: { url: website.url, ...asked } });
  await rig.deploy(first);
  const plan = await rig.deploy({
    ...filesOf("two"),
    "packed.txt": gzipSync("packed"),
    _headers: "/packed.txt\n  Content-Encoding: gzip\n",
    _redirects: "/was /about/\n",
  });
  return {
    rig,
    website,
    async [Symbol.asyncDispose]() {
      await rig[Symbol.asyncDispose]();
      await website[Symbol.asyncDispose]();
    },
    ask: async (of = plan) => {
      const step = of.steps.find(({ phase }) => phase === "verify");
      const handler = rig.target.checks?.find(({ kind }) => kind === step?.kind);
      if (handler === undefined || step === undefined) throw new Error("nothing is asked");
      return handler.check(step.input, rig.context());
    },
  };
}

describe("asking as a visitor", () => {
  it("passes when every answer is that of the release, and asks for an asset of the one before", async () => {
    await using shop = await open();
    const { website, ask } = shop;

    expect(await ask()).toEqual({ status: "pass" });

    expect(website.asked).toEqual(expect.arrayContaining(["/", "/about/", "/was"]));
    expect(website.asked).toContain(`/${scriptOf(`console.log("one")`)}`);
  });

  it.each([
    ["is gone", (rig: Rig) => void rig.objects.delete("about/index.html"), "status 200", "404"],
    [
      "has other bytes",
      (rig: Rig) => change(rig, "index.html", { body: Buffer.from("x") }),
      "digest",
      /^[0-9a-f]{64}$/,
    ],
    [
      "has another type",
      (rig: Rig) => change(rig, "style.css", { "content-type": "text/plain" }),
      "content-type text/css; charset=utf-8",
      "text/plain",
    ],
    [
      "may be cached longer",
      (rig: Rig) => change(rig, "index.html", { "cache-control": "max-age=9" }),
      "cache-control public",
      "max-age=9",
    ],
    [
      "is of another release",
      (rig: Rig) => change(rig, "index.html", { "x-amz-meta-lockstep": "0" }),
      "release",
      "0",
    ],
    [
      "was an asset before",
      (rig: Rig) => void rig.objects.delete(scriptOf(`console.log("one")`)),
      "status 200",
      "404",
    ],
  ])("fails when what is asked for %s", async (_name, spoil, wanted, found) => {
    await using shop = await open();
    spoil(shop.rig);

    expect(await shop.ask()).toEqual({
      status: "fail",
      wanted: expect.stringContaining(wanted),
      found: expect.stringMatching(found),
    });
  });

  it("fails for a path of the config that no file of the release has, but not on the way back", async () => {
    await using shop = await open({ paths: ["/typo/"], sample: 0 });

    expect(await shop.ask()).toEqual({
      status: "fail",
      wanted: `a file of the release at ${shop.website.url}/typo/`,
      found: "none",
    });
    await shop.rig.folder.build({});
    const [wanted] = (await shop.rig.live()).kept ?? [];
    const back = await shop.rig.plan([{ ref: wanted ?? null, kept: [] }]);
    expect(await shop.ask(back)).toEqual({ status: "pass" });
  });

  it("follows from the name of a folder to its page, and compares that", async () => {
    await using shop = await open({ paths: ["/about"], sample: 0 });
    expect(await shop.ask()).toEqual({ status: "pass" });
    expect(shop.website.asked).toEqual(expect.arrayContaining(["/about", "/about/"]));

    change(shop.rig, "about/index.html", { body: Buffer.from("x") });

    expect(await shop.ask()).toMatchObject({ status: "fail" });
  });

  it("passes what is stored packed, as long as it is marked and said to be packed", async () => {
    await using shop = await open({ paths: ["/packed.txt"], sample: 0 });
    expect(await shop.ask()).toEqual({ status: "pass" });

    change(shop.rig, "packed.txt", { "x-amz-meta-lockstep": "0" });

    expect(await shop.ask()).toMatchObject({
      status: "fail",
      wanted: expect.stringContaining("release"),
    });
  });

  it("asks for as many assets of the release before as of files of the new one", async () => {
    const names = Array.from({ length: 6 }, (_, n) => scriptOf(`${n}`));
    const pages = names.map((name) => `<script src="/${name}"></script>`).join("");
    const scripts = Object.fromEntries(names.map((name) => [name, name]));
    await using shop = await open({ paths: [], sample: 4 }, { "index.html": pages, ...scripts });

    await shop.ask();

    expect(shop.website.asked.filter((path) => names.includes(path.slice(1)))).toHaveLength(4);
  });

  it("is inconclusive when nobody answers", async () => {
    await using shop = await open();
    await shop.website.close();

    expect(await shop.ask()).toMatchObject({ status: "inconclusive" });
  });
});

function change(
  rig: Rig,
  key: string,
  { body, ...headers }: { readonly body?: Buffer } & Readonly<Record<string, unknown>>,
): void {
  const found = rig.objects.get(key);
  if (found === undefined) throw new Error(`there is no ${key}`);
  const all = { ...found.headers, ...(headers as Record<string, string>) };
  rig.objects.set(key, { ...found, body: body ?? found.body, headers: all });
}
