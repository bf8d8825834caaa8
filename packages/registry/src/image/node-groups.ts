import { posix } from "node:path";
import type { Artifact, Entry } from "@lockstep/artifact";
import type { Grouping } from "./grouping.ts";
import { parseObject } from "./model.ts";

/** From this size, in bytes, a package may get a layer of its own. */
const LARGE = 8 * 1024 * 1024;
/** Most packages that do. */
const MOST_LARGE = 3;

/**
 * Groups a Node project by how often its parts change: third-party packages, the largest of them alone,
 * packages of the workspace, assets, and the application with its package.json.
 */
export async function nodeGroups(artifact: Artifact, assets: readonly string[]): Promise<Grouping> {
  const workspace = workspaceFolders(artifact.manifest);
  const local = await localPackages(artifact);
  const large = largePackages(artifact.manifest);
  const names = new Map(large.map((path) => [path, layerName(path)]));
  return {
    order: ["dependencies", ...names.values(), "workspace", "assets", "app"],
    of({ path }) {
      const home = packageOf(path);
      if (home !== undefined)
        return local.has(home) ? "workspace" : (names.get(home) ?? "dependencies");
      if (isBelow(path, workspace)) return "workspace";
      return isBelow(path, assets) ? "assets" : "app";
    },
  };
}

/** The installed package a path belongs to, as its folder; undefined outside node_modules. */
function packageOf(path: string): string | undefined {
  return /^(?:.*?\/)?node_modules\/(?:\.pnpm\/[^/]+|@[^/]+\/[^/]+|[^/]+)/.exec(path)?.[0];
}

/** Folders that links in node_modules lead to outside of it. */
function workspaceFolders(manifest: readonly Entry[]): string[] {
  const folders = manifest.flatMap((entry) => {
    if (entry.type !== "link" || packageOf(entry.path) === undefined) return [];
    const target = posix.join(posix.dirname(entry.path), entry.target);
    const isOutside = target !== "." && !target.startsWith("..") && packageOf(target) === undefined;
    return isOutside ? [target] : [];
  });
  return [...new Set(folders)];
}

/** Packages that the lockfile took from a folder: they have no integrity hash. */
async function localPackages(artifact: Artifact): Promise<ReadonlySet<string>> {
  const path = "package-lock.json";
  const file = artifact.manifest.find((entry) => entry.type === "file" && entry.path === path);
  if (file === undefined) return new Set();
  const pieces: Uint8Array[] = [];
  for await (const piece of artifact.open(path)) pieces.push(piece);
  const packages = parseObject(Buffer.concat(pieces))?.["packages"] ?? {};
  return new Set(
    Object.entries(packages as Record<string, { readonly integrity?: string }>).flatMap(
      ([name, { integrity }]) =>
        integrity === undefined && packageOf(name) === name ? [name] : [],
    ),
  );
}

function largePackages(manifest: readonly Entry[]): string[] {
  const sizes = new Map<string, number>();
  for (const entry of manifest) {
    const home = entry.type === "file" ? packageOf(entry.path) : undefined;
    if (home === undefined || entry.type !== "file") continue;
    sizes.set(home, (sizes.get(home) ?? 0) + entry.size);
  }
  return [...sizes]
    .filter(([, size]) => size >= LARGE)
    .toSorted(([left, one], [right, other]) => other - one || (left < right ? -1 : 1))
    .slice(0, MOST_LARGE)
    .map(([path]) => path);
}

function layerName(path: string): string {
  const name = path.slice(path.indexOf("node_modules/") + "node_modules/".length);
  return `package ${name.replace(/^\.pnpm\//, "")}`;
}

function isBelow(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) => path.startsWith(`${folder.replace(/\/+$/, "")}/`));
}
