import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cloudFrontFunctions } from "../../src/cloudfront/router.ts";
import { edgeOf, PATHS, SCRIPT, worldOf } from "../cloudfront/router-world.ts";

// njs is the engine that CloudFront Functions grew from: what it runs, no newer syntax is in.
describe("the router in njs", () => {
  const world = worldOf(PATHS, {
    old: "/docs/",
    "old/index.html": "/docs/",
    "blog/*": "308 /:splat",
  });
  const uris = ["/", "/about", "/about/", "/docs", "/docs/", "/docs/a%20b", "/docs/%C3%BC.html"];
  const others = [
    "/old",
    "/blog/x",
    `/${SCRIPT}`,
    "/assets/app.ffffffff1.js",
    "/nothing",
    "/gone.js",
  ];
  const refused = ["/../x", "/%2e%2e/x", "//x", "/%", "/a%00b", "/.well-known/lockstep-router"];
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "lockstep-njs-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("does with every URL what it does here", async () => {
    const edge = edgeOf(world);
    const all = [...uris, ...others, ...refused];
    const wanted: unknown[] = [];
    for (const uri of all) wanted.push(await edge.route(uri));
    expect(runIn(folder, all)).toEqual(JSON.parse(JSON.stringify(wanted)));
  });

  function runIn(home: string, all: readonly string[]): unknown {
    const code = cloudFrontFunctions({ previews: "preview.example.com" }).viewerRequest;
    const values = JSON.stringify(Object.fromEntries(world.values));
    const double = `const values = ${values};
const cf = { kvs: () => ({ get: (key) => key in values ? Promise.resolve(values[key]) : Promise.reject(Error('none')) }) };`;
    const events = all.map((uri) => ({
      request: {
        method: "GET",
        uri,
        headers: { host: { value: "shop.example.com" } },
        cookies: {},
        querystring: {},
      },
    }));
    const main = `async function main() {
  const events = ${JSON.stringify(events)};
  for (let i = 0; i < events.length; i++) {
    const made = await handler({ version: '1.0', request: events[i].request });
    console.log(encodeURIComponent(JSON.stringify(made)));
  }
}
main();`;
    const script = join(home, "router.js");
    const inline = code.replace("import cf from 'cloudfront';", double);
    writeFileSync(script, `${inline}\n${main}\n`);
    const { status, stdout, stderr } = spawnSync("njs", [script], { encoding: "utf8" });
    if (status !== 0) throw new Error(`njs: ${stdout}${stderr}`);
    const lines = stdout.trim().split("\n");
    return lines.map((line) => JSON.parse(decodeURIComponent(line)) as unknown);
  }
});
