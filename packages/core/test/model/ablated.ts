import { cp, glob, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Ablation, Patch } from "./ablations.ts";
import type { Engine } from "./engine.ts";

/** Sources that are copied: the engine, and the target that keeps the promises of a step. */
const COPIED = ["core", "state", "events"]
  .flatMap((name) => [`${name}/src`, `${name}/package.json`])
  .concat("testkit/src/memory");

const PACKAGES = fileURLToPath(new URL("../../../", import.meta.url));

/** A copy of the engine without one of its rules; its folder goes away with it. */
export interface AblatedEngine extends Engine, AsyncDisposable {}

/**
 * Copies the sources to a temporary folder, takes one rule out, and loads what is left.
 *
 * @throws {Error} when a text to be patched does not stand in the sources exactly once
 */
export async function loadWithout({ without, patches }: Ablation): Promise<AblatedEngine> {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-ablation-"));
  const dispose = (): Promise<void> => rm(folder, { recursive: true });
  try {
    for (const path of COPIED)
      await cp(join(PACKAGES, path), join(folder, path), { recursive: true });
    const sources = await readSources(folder);
    for (const patch of patches) applyPatch(sources, patch, without);
    for (const [file, text] of sources) await writeFile(file, linked(text, folder));
    const { deploy, rollback, recover } = await load(folder, "core/src/index.ts");
    const { memoryTarget } = await load(folder, "testkit/src/memory/target.ts");
    return { deploy, rollback, recover, memoryTarget, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

function load(folder: string, path: string): Promise<Engine> {
  return import(/* @vite-ignore */ pathToFileURL(join(folder, path)).href) as Promise<Engine>;
}

async function readSources(folder: string): Promise<Map<string, string>> {
  const sources = new Map<string, string>();
  for await (const name of glob("**/*.ts", { cwd: folder })) {
    const file = join(folder, name);
    sources.set(file, await readFile(file, "utf8"));
  }
  return sources;
}

function applyPatch(sources: Map<string, string>, { find, replace }: Patch, without: string): void {
  const places = [...sources].flatMap(([file, text]) =>
    text
      .split(find)
      .slice(1)
      .map(() => ({ file, text })),
  );
  const [place] = places;
  if (place === undefined || places.length > 1) {
    const text = JSON.stringify(find);
    throw new Error(`${without}: ${text} stands in the sources ${places.length} times, not once.`);
  }
  sources.set(
    place.file,
    place.text.replace(find, () => replace),
  );
}

/** Imports of copied packages lead to the copies, all others to where the originals find them. */
function linked(source: string, folder: string): string {
  const require = createRequire(import.meta.url);
  const pathOf = (name: string): string => {
    const index = `${name.replace("@lockstep/", "")}/src/index.ts`;
    if (!name.startsWith("@lockstep/")) return require.resolve(name);
    return COPIED.some((path) => index.startsWith(`${path}/`))
      ? join(folder, index)
      : join(PACKAGES, index);
  };
  return source.replaceAll(
    /^((?:import|export|\}).* from )"([^".][^"]*)";$/gm,
    (whole, start: string, name: string) =>
      name.startsWith("node:") ? whole : `${start}"${pathToFileURL(pathOf(name)).href}";`,
  );
}
