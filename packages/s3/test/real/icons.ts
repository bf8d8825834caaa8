import { hash } from "node:crypto";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

const PACKAGES = join(import.meta.dirname, "../../node_modules");

/** Icons that a page of the site shows. */
const SHOWN = 60;

/** What a version of the site differs in from the first. */
export interface Edition {
  readonly name: "one" | "two";
  /** Icons that are drawn anew, left out, and added. */
  readonly changed: number;
  readonly removed: number;
  readonly added: number;
}

/** The editions that the tests deploy one after the other. */
export const EDITIONS: Readonly<Record<Edition["name"], Edition>> = {
  one: { name: "one", changed: 0, removed: 0, added: 0 },
  two: { name: "two", changed: 40, removed: 50, added: 20 },
};

/** Builds a site of more than 10,000 files from two collections of icons, as their packages ship them. */
export async function buildIcons(folder: string, { name, ...edition }: Edition): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const icons = join(folder, "icons");
  await cp(join(PACKAGES, "@mdi/svg/svg"), join(icons, "mdi"), { recursive: true });
  await cp(join(PACKAGES, "simple-icons/icons"), join(icons, "brands"), { recursive: true });
  const all = (await readdir(join(icons, "mdi"))).toSorted();
  const spare = all.slice(SHOWN); // what is removed is shown nowhere
  for (const icon of spare.slice(0, edition.removed)) await rm(join(icons, "mdi", icon));
  for (const icon of all.slice(0, edition.changed)) await redraw(join(icons, "mdi", icon));
  for (let count = 0; count < edition.added; count += 1) {
    await writeFile(join(icons, "mdi", `added-${count}.svg`), SQUARE);
  }
  await writePages(folder, name, all.slice(0, SHOWN));
}

const SQUARE =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><path d="M0 0h1v1H0z"/></svg>';

async function redraw(file: string): Promise<void> {
  const text = await readFile(file, "utf8");
  await writeFile(file, text.replace("<path", '<path fill="#a9552f"'));
}

/** The pages say in their own words whether all they need has arrived. */
async function writePages(folder: string, name: string, icons: readonly string[]): Promise<void> {
  const style = `body { font: 16px sans-serif } img { width: 24px } :root { --edition: ${name} }`;
  const script = `
const broken = () => [...document.images].filter((image) => image.naturalWidth === 0).length;
addEventListener("load", () => {
  const styled = getComputedStyle(document.documentElement).getPropertyValue("--edition").trim();
  document.body.dataset.seen = [${JSON.stringify(name)}, styled, broken()].join(" ");
});`;
  const [css, js] = [hashed("site", "css", style), hashed("site", "js", script)];
  await mkdir(join(folder, "assets"));
  await writeFile(join(folder, css), style);
  await writeFile(join(folder, js), script);
  const images = icons.map((icon) => `<img src="/icons/mdi/${icon}" alt="">`).join("\n");
  const head = `<link rel="icon" href="data:,"><link rel="stylesheet" href="/${css}"><script src="/${js}"></script>`;
  const page = `<!doctype html>\n<title>Icons ${name}</title>\n${head}\n<body>\n${images}\n</body>\n`;
  for (const path of ["index.html", "docs/index.html"]) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), page);
  }
}

function hashed(name: string, type: string, text: string): string {
  return `assets/${name}.${hash("sha256", text, "hex").slice(0, 12)}.${type}`;
}
