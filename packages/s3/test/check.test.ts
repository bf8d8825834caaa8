import type { CheckResult } from "@lockstep/plugin";
import { describe, expect, it } from "vitest";
import { Rig } from "./rig.ts";
import { startWebsite, type Website } from "./website.ts";
import { filesOf, scriptOf } from "./world.ts";

/** A shop whose second release is live, and its website. */
async function open(): Promise<
  AsyncDisposable & { rig: Rig; website: Website; ask(): Promise<CheckResult> }
> {
  const plain = await Rig.open();
  const website = await startWebsite(plain.objects);
  const check = { url: website.url, paths: ["/", "/about/"], sample: 10 };
  const rig = await plain.again({ check });
  await rig.deploy(filesOf("one"));
  const plan = await rig.deploy({ ...filesOf("two"), _redirects: "/was /about/\n" });
  const step = plan.steps.find(({ phase }) => phase === "verify");
  const handler = rig.target.checks?.find(({ kind }) => kind === step?.kind);
  return {
    rig,
    website,
    async [Symbol.asyncDispose]() {
      await rig[Symbol.asyncDispose]();
      await website[Symbol.asyncDispose]();
    },
    ask: async () => {
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
