// Builds one edition of the shop: node build.mjs OUT --version N [--broken]
// OUT/server.mjs is the service; OUT/public is the site, which can also be served by itself.
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { parseArgs } from "node:util";
import { drawingOf } from "./art.mjs";
import { frontPage, productPage } from "./pages.mjs";
import { productsOf } from "./products.mjs";

const PALETTES = [
  { paper: "#fbf8f2", ink: "#26332e", accent: "#a9552f", wash: "#e9e2d3" },
  { paper: "#f3f6f7", ink: "#1c2b3f", accent: "#1f6f78", wash: "#d6e3e5" },
  { paper: "#f8f4f8", ink: "#33233b", accent: "#8a4a7d", wash: "#e6d9e6" },
];
const SEASONS = ["The autumn shelf", "The winter shelf", "The spring shelf"];
const HEADLINES = [
  "Small goods for slow mornings",
  "Warm hands, long evenings",
  "Open windows, clean tables",
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { version: { type: "string" }, broken: { type: "boolean", default: false } },
});
const number = Number(values.version);
const [out] = positionals;
if (out === undefined || !Number.isInteger(number) || number < 1) {
  process.stderr.write(
    "usage: node build.mjs OUT --version N [--broken], N a whole number from 1\n",
  );
  process.exit(2);
}
build(out, number, values.broken);

function build(folder, edition, isBroken) {
  rmSync(folder, { recursive: true, force: true });
  const products = productsOf(edition);
  write(join(folder, "products.json"), `${JSON.stringify(products, null, 2)}\n`);
  copyFileSync(join(import.meta.dirname, "server.mjs"), join(folder, "server.mjs"));
  buildSite(join(folder, "public"), editionOf(edition, products));
  if (isBroken) write(join(folder, "broken"), "The health page of this edition answers 500.\n");
}

function editionOf(edition, products) {
  const turn = (list) => list[(edition - 1) % list.length];
  return {
    number: edition,
    products,
    palette: turn(PALETTES),
    season: turn(SEASONS),
    headline: turn(HEADLINES),
    note: edition === 1 ? undefined : `New in edition ${edition}: ${products.at(-1).name}`,
  };
}

function buildSite(folder, edition) {
  const { palette, products } = edition;
  const asset = (name, text) => writeHashed(folder, name, text);
  const variables = Object.entries(palette).map(([name, color]) => `  --${name}: ${color};\n`);
  const style = `:root {\n${variables.join("")}}\n\n${source("style.css")}`;
  const assets = {
    style: asset("style.css", style),
    script: asset("basket.js", source("basket.js")),
    icon: asset("icon.svg", drawingOf(products[0], palette)),
  };
  for (const product of products) {
    assets[product.id] = asset(`${product.id}.svg`, drawingOf(product, palette));
  }
  const complete = { ...edition, assets };
  for (const product of products) {
    write(join(folder, "products", product.id, "index.html"), productPage(product, complete));
  }
  write(join(folder, "index.html"), frontPage(complete));
}

/** Names a file after its content, so that browsers may keep it for ever. */
function writeHashed(folder, name, text) {
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 10);
  const type = extname(name);
  const path = `assets/${name.slice(0, -type.length)}-${hash}${type}`;
  write(join(folder, path), text);
  return path;
}

function source(name) {
  return readFileSync(join(import.meta.dirname, name), "utf8");
}

function write(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
