import { randomUUID } from "node:crypto";
import type { Dirent } from "node:fs";
import { lstat, open, readdir, readFile, symlink, unlink } from "node:fs/promises";
import { basename, dirname, isAbsolute, join } from "node:path";
import { API_VERSION, isStoreKey, type Store, type Stored } from "@lockstep/plugin";
import { hasCode, ignoreMissing, linkOnce, makeFolder, syncFolder } from "./durable-files.ts";
import { storeKeyInvalid } from "./errors.ts";
import { localPresence } from "./presence.ts";
import { VERSION } from "./version.ts";

/** How the state of an environment is kept in files. */
export interface LocalStoreOptions {
  /** Folder, relative to the config file. Default `.lockstep`. */
  readonly folder?: string;
  /**
   * Says that nothing is to be recovered from here: the machine is thrown away after the run. What the
   * targets say is then believed, whichever store wrote it.
   */
  readonly ephemeral?: boolean;
  /** Milliseconds after which an unrenewed lease may be taken; at least 2,000, default 60,000. */
  readonly ttlMs?: number;
}

/** A store in files of this machine. */
export interface LocalStore extends Store {
  /** The same store below an absolute folder; the runner calls it once it knows where the config file is. */
  within(base: string): LocalStore;
}

/**
 * Keeps lease, journal and history in files, `.lockstep/` beside the config file by default.
 *
 * Folders are 0700 and files 0600. A write is durable when it resolves: the bytes are synced before the
 * name appears, its folder after. No locks are held, so a killed process blocks nobody.
 */
export function localStore(options: LocalStoreOptions = {}): LocalStore {
  const folder = options.folder ?? ".lockstep";
  const unmoved = guardRoot(folder);
  return {
    "~lockstep": { api: API_VERSION, plugin: "@lockstep/core", version: VERSION },
    traits: { durable: options.ephemeral !== true, ephemeral: options.ephemeral === true },
    place: folder,
    ttlMs: options.ttlMs ?? 60_000,
    presence: localPresence(),
    within: (base) =>
      localStore({ ...options, folder: isAbsolute(folder) ? folder : join(base, folder) }),
    get: async (key) => read(fileOf(folder, key)),
    create: async (key, body) => unmoved(() => create(fileOf(folder, key), body)),
    replace: async (key, body, tag) => unmoved(() => replace(fileOf(folder, key), body, tag)),
    remove: async (key, tag) => unmoved(() => remove(fileOf(folder, key), tag)),
    list: (prefix) => list(folder, prefix),
  };
}

/**
 * Around every write: a folder that was removed, or made anew by somebody, is not the store any more, and what
 * is written there would be no journal. Looked at before, and again before the write counts.
 */
function guardRoot(folder: string): <T>(write: () => Promise<T>) => Promise<T> {
  let known: string | undefined;
  const look = async (): Promise<void> => {
    if (known === undefined) await makeFolder(folder);
    const found = await lstat(folder, { bigint: true }).catch(ignoreMissing);
    // The number of a folder that is gone may be given to the next one.
    const identity = found === undefined ? "" : `${found.dev}:${found.ino}:${found.birthtimeNs}`;
    known ??= identity;
    if (identity !== known) throw new Error(`${folder} was removed while it was in use`);
  };
  return async (write) => {
    await look();
    const result = await write();
    await look();
    return result;
  };
}

/** Tells the store above from stores that plugins bring. */
export function isLocalStore(store: Store): store is LocalStore {
  return "within" in store && typeof store.within === "function";
}

/** Where a key is kept, and where files wait that are not yet its value. */
interface Place {
  /** The first version; stays for ever, so that a removed key is not begun anew. */
  readonly path: string;
  /** Folder of the later versions: `1`, `2`, … */
  readonly later: string;
  readonly aside: string;
}

function fileOf(folder: string, key: string): Place {
  if (!isStoreKey(key)) throw storeKeyInvalid(key);
  const path = join(folder, key);
  return { path, later: join(dirname(path), `.${basename(path)}`), aside: join(folder, ".aside") };
}

function versionPath({ path, later }: Place, version: number): string {
  return version === 0 ? path : join(later, String(version));
}

/** The newest version of a key; -1 when there never was one. */
async function newestVersion({ path, later }: Place): Promise<number> {
  const names = await readdir(later).catch(ignoreMissing);
  if (names !== undefined && names.length > 0) return Math.max(...names.map(Number));
  return (await lstat(path).catch(ignoreMissing)) === undefined ? -1 : 0;
}

async function read(place: Place): Promise<Stored | undefined> {
  for (;;) {
    const version = await newestVersion(place);
    if (version === -1) return undefined;
    const path = versionPath(place, version);
    try {
      return { body: await readFile(path), tag: String(version) };
    } catch (error) {
      if (!hasCode(error, "ENOENT")) throw error;
      const removed = (await lstat(path).catch(ignoreMissing))?.isSymbolicLink();
      if (removed === true) return undefined; // else it was swept meanwhile, and a newer one is there
    }
  }
}

async function create(place: Place, body: Uint8Array): Promise<{ tag: string } | "exists"> {
  // The version before the look at the value: what is created in between has that version, and stays.
  const version = (await newestVersion(place)) + 1;
  if ((await read(place)) !== undefined) return "exists";
  return (await writeVersion(place, version, body)) ? { tag: String(version) } : "exists";
}

async function replace(
  place: Place,
  body: Uint8Array,
  tag: string,
): Promise<{ tag: string } | "moved"> {
  if ((await read(place))?.tag !== tag) return "moved";
  const version = Number(tag) + 1;
  if (!(await writeVersion(place, version, body))) return "moved";
  await sweep(place, version);
  return { tag: String(version) };
}

/** A removed key is a version that leads nowhere. */
async function remove(place: Place, tag: string): Promise<"removed" | "moved"> {
  if ((await read(place))?.tag !== tag) return "moved";
  await makeFolder(place.later);
  try {
    await symlink("removed", versionPath(place, Number(tag) + 1));
  } catch (error) {
    if (hasCode(error, "EEXIST")) return "moved";
    throw error;
  }
  await syncFolder(place.later);
  return "removed";
}

/**
 * Writes a version that nobody else has written: its name is the compare-and-set, as in the journal.
 *
 * A process that slept since it read the version before may link a name that was swept long ago. It then
 * finds that the next version is gone, or older than its own file, and has lost.
 */
async function writeVersion(place: Place, version: number, body: Uint8Array): Promise<boolean> {
  const fresh = await writeAside(place, body);
  const path = versionPath(place, version);
  await makeFolder(dirname(path));
  const linked = await linkOnce(fresh, path);
  const won = linked && (await isNewest(place, version, fresh));
  if (linked && !won) await unlink(path);
  await unlink(fresh);
  if (won) await syncFolder(dirname(path));
  return won;
}

async function isNewest(place: Place, version: number, fresh: string): Promise<boolean> {
  if ((await newestVersion(place)) <= version) return true;
  const next = await lstat(versionPath(place, version + 1), { bigint: true }).catch(ignoreMissing);
  return next !== undefined && next.mtimeNs >= (await lstat(fresh, { bigint: true })).mtimeNs;
}

/** How long, in milliseconds, versions are kept that are no longer the newest. */
const SWEEP_AFTER_MS = 3_600_000;

async function sweep(place: Place, newest: number): Promise<void> {
  for (let version = newest - 2; version > 0; version -= 1) {
    const path = versionPath(place, version);
    const old = await lstat(path).catch(ignoreMissing);
    if (old === undefined) return;
    if (Date.now() - old.mtimeMs > SWEEP_AFTER_MS) await unlink(path).catch(ignoreMissing);
  }
}

async function* list(folder: string, prefix: string): AsyncIterable<string> {
  const below = prefix.includes("/") ? prefix.slice(0, prefix.lastIndexOf("/")) : "";
  for await (const { key, changed } of walk(folder, below)) {
    if (!key.startsWith(prefix)) continue;
    if (!changed || (await read(fileOf(folder, key))) !== undefined) yield key;
  }
}

/** All first versions, and whether there are later ones: only those may have been removed. */
async function* walk(
  folder: string,
  below: string,
): AsyncIterable<{ readonly key: string; readonly changed: boolean }> {
  const entries = await readdir(join(folder, below), { withFileTypes: true }).catch(ignoreMissing);
  const names = new Set(entries?.map(({ name }) => name));
  const sortName = (entry: Dirent): string => (entry.isDirectory() ? `${entry.name}/` : entry.name);
  const sorted = (entries ?? []).toSorted((left, right) =>
    sortName(left) < sortName(right) ? -1 : 1,
  );
  for (const entry of sorted) {
    if (entry.name.startsWith(".")) continue;
    const key = below === "" ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) yield* walk(folder, key);
    else yield { key, changed: names.has(`.${entry.name}`) };
  }
}

async function writeAside({ aside }: Place, body: Uint8Array): Promise<string> {
  await makeFolder(aside);
  const path = join(aside, randomUUID());
  await using file = await open(path, "wx", 0o600);
  await file.writeFile(body);
  await file.sync();
  return path;
}
