import { isStoreKey } from "@lockstep/plugin";
import { storeKeyWrong } from "./store-errors.ts";

/** Where a key is kept, as {@link file://./store-scripts.ts} reads it; relative to the store's folder. */
export interface KeyPlace {
  /** First value. */
  readonly K: string;
  /** Folder of what came after it. */
  readonly L: string;
  readonly D: string;
  /** D and all folders above it, separated by spaces: keys have none. */
  readonly A: string;
}

/**
 * Where a key is kept.
 *
 * @throws {LockstepError} `SSH_STORE_KEY`
 */
export function placeOfKey(key: string): KeyPlace {
  const parts = key.split("/");
  if (!isStoreKey(key)) throw storeKeyWrong(key);
  const folders = parts.slice(0, -1);
  const above = folders.map((_, depth) => ["", ...folders.slice(0, depth + 1)].join("/"));
  const D = `.${above.at(-1) ?? ""}`;
  const name = parts.at(-1) ?? "";
  return {
    K: `${D}/${name}`,
    L: `${D}/.${name}`,
    D,
    A: [...above.toReversed().map((path) => `.${path}`), "."].join(" "),
  };
}

/** The folder to look in for keys that start with a prefix; undefined when none can. */
export function folderOfPrefix(prefix: string): string | undefined {
  const folders = prefix.split("/").slice(0, -1);
  return folders.every((part) => isStoreKey(part)) ? [".", ...folders].join("/") : undefined;
}

/** The keys among the paths of first values and of removed keys, in ascending order. */
export function keysOf(paths: readonly string[]): string[] {
  const names = paths.map((path) => path.replace(/^\.\//, ""));
  const removed = new Set(names.map((name) => removedKeyOf(name)));
  return names
    .filter((name) => removedKeyOf(name) === undefined && !removed.has(name))
    .toSorted((left, right) => (left < right ? -1 : 1));
}

/** `runs/.x/v3.NONCE.gone` says that `runs/x` was removed. */
function removedKeyOf(name: string): string | undefined {
  const found = /^(?<folder>(?:.*\/)?)\.(?<base>[^/]+)\/v[^/]+\.gone$/.exec(name)?.groups;
  return found === undefined ? undefined : `${found["folder"]}${found["base"]}`;
}
