import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "vite";
import { describe, expect, it } from "vitest";
import { Rig } from "./rig.ts";
import { Folder } from "./world.ts";

/** Chunks that a page loads later, one of them for each visitor's way. */
const CHUNKS = 24;

/** Builds an application with real tools: every chunk gets a name of its own making. */
async function buildApplication(rig: Rig, version: string): Promise<readonly string[]> {
  await using app = await Folder.open();
  await app.build({ "keep.txt": "" });
  const numbers = Array.from({ length: CHUNKS }, (_, number) => number);
  const loads = numbers.map((number) => `() => import("./chunk${number}.js")`);
  const files = {
    "index.html": `<!doctype html><script type="module" src="/main.js"></script>`,
    "main.js": `import "./style.css"; globalThis.ways = [${loads.join(", ")}];`,
    "style.css": `body { --version: "${version}" }`,
    ...Object.fromEntries(
      numbers.map((number) => [
        `chunk${number}.js`,
        `export default ${JSON.stringify(`${version} ${number}`)};`,
      ]),
    ),
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(app.path, name), text);
  const outDir = join(rig.folder.path, "dist");
  await build({
    root: app.path,
    configFile: false,
    logLevel: "silent",
    build: { outDir, emptyOutDir: true },
  });
  return (await readdir(join(outDir, "assets"))).map((name) => `assets/${name}`);
}

describe("an application that Vite built", () => {
  it("keeps every chunk of the build before for open tabs", async () => {
    await using rig = await Rig.open();
    const one = await buildApplication(rig, "one");
    await rig.deploy();

    const two = await buildApplication(rig, "two");
    await rig.deploy();

    expect(one.length).toBeGreaterThan(CHUNKS);
    expect(two.filter((path) => one.includes(path)).length).toBeLessThan(one.length);
    expect(one.filter((path) => rig.text(path) === undefined)).toEqual([]);
  });
});
