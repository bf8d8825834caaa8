import type { Artifact, Entry } from "@lockstep/artifact";
import ignore from "ignore";
import type { DirectorySource, LayerSettings } from "../source-options.ts";
import type { Grouping } from "./grouping.ts";
import { nodeGroups } from "./node-groups.ts";

/** The paths of an artifact that make one layer. */
export interface Group {
  readonly name: string;
  readonly paths: ReadonlySet<string>;
}

/** What every image source leaves out: caches and files that differ between two equal installs. */
export const NOISE: readonly string[] = [
  "node_modules/.cache/",
  "node_modules/.vite/",
  "node_modules/.package-lock.json",
  "node_modules/.modules.yaml",
  "node_modules/.pnpm-workspace-state*.json",
  "*.tsbuildinfo",
];

/** Splits an artifact into layers, the one that changes least at the bottom. Layers without a path are left out. */
export async function splitLayers(
  artifact: Artifact,
  { layers, assets = [] }: Pick<DirectorySource, "layers" | "assets">,
): Promise<readonly Group[]> {
  const isNode = layers === "node" || (layers === undefined && hasPackages(artifact));
  const groupOf = isNode
    ? await nodeGroups(artifact, assets)
    : byRules(typeof layers === "object" ? layers : []);
  const groups = new Map<string, Set<string>>(groupOf.order.map((name) => [name, new Set()]));
  for (const entry of artifact.manifest) {
    if (entry.type !== "directory") groups.get(groupOf.of(entry))?.add(entry.path);
  }
  addEmptyDirectories(artifact.manifest, groups.get(groupOf.order.at(-1) ?? "") ?? new Set());
  return [...groups].flatMap(([name, paths]) => (paths.size === 0 ? [] : [{ name, paths }]));
}

/** Name of the layer that takes what no other one does. */
export const REST = "app";

function byRules(layers: readonly LayerSettings[]): Grouping {
  const rules = layers.map(({ name, include }) => ({
    name,
    matcher: ignore({ ignoreCase: false }).add(include),
  }));
  return {
    order: [...new Set([...layers.map(({ name }) => name), REST])],
    of: ({ path }) => rules.find(({ matcher }) => matcher.ignores(path))?.name ?? REST,
  };
}

function hasPackages({ manifest }: Artifact): boolean {
  return manifest.some(({ type, path }) => type === "directory" && path === "node_modules");
}

function addEmptyDirectories(manifest: readonly Entry[], last: Set<string>): void {
  const filled = new Set(
    manifest.map(({ path }) => path.slice(0, Math.max(path.lastIndexOf("/"), 0))),
  );
  for (const { type, path } of manifest) {
    if (type === "directory" && !filled.has(path)) last.add(path);
  }
}
