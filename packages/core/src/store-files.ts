import { createHash, randomUUID } from "node:crypto";
import { link, mkdir, open, readdir, rename, stat, symlink, unlink } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import { API_VERSION, type Store, type Stored } from "@lockstep/plugin";
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
  return {
    "~lockstep": { api: API_VERSION, plugin: "@lockstep/core", version: VERSION },
    traits: { durable: options.ephemeral !== true, ephemeral: options.ephemeral === true },
    place: folder,
    ttlMs: options.ttlMs ?? 60_000,
    presence: localPresence(),
    within: (base) =>
      localStore({ ...options, folder: isAbsolute(folder) ? folder : join(base, folder) }),
    get: async (key) => read(fileOf(folder, key)),
    create: async (key, body) => create(fileOf(folder, key), body),
    replace: async (key, body, tag) => replace(fileOf(folder, key), body, tag),
    remove: async (key, tag) => remove(fileOf(folder, key), tag),
    list: (prefix) => list(folder, prefix),
  };
}

/** Tells the store above from stores that plugins bring. */
export function isLocalStore(store: Store): store is LocalStore {
  return "within" in store;
}

/** Where a key is kept, and where files wait that are not yet, or no longer, its value. */
type Place = { readonly path: string; readonly aside: string };

function fileOf(folder: string, key: string): Place {
  const segment = /^[0-9A-Za-z_-][0-9A-Za-z._-]*$/;
  if (key.length > 512 || !key.split("/").every((part) => segment.test(part)))
    throw storeKeyInvalid(key);
  return { path: join(folder, key), aside: join(folder, ".aside") };
}

/** The value of a key, after finishing a replacement that a killed process had begun. */
async function read(place: Place): Promise<Stored | undefined> {
  const stored = await readOnce(place.path);
  if (stored === undefined) return undefined;
  if (!(await moveIfThere(claimOf(place, stored.tag), place.path))) return stored;
  return read(place);
}

async function readOnce(path: string): Promise<Stored | undefined> {
  try {
    await using file = await open(path, "r");
    const [{ ino, mtimeNs }, body] = await Promise.all([
      file.stat({ bigint: true }),
      file.readFile(),
    ]);
    const digest = createHash("sha256").update(body).digest("hex").slice(0, 16);
    return { body, tag: `${ino}-${mtimeNs}-${digest}` };
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

async function create(place: Place, body: Uint8Array): Promise<{ tag: string } | "exists"> {
  const fresh = await writeAside(place, body);
  await makeFolder(dirname(place.path));
  const won = await linkOnce(fresh, place.path);
  const made = won ? await readOnce(fresh) : undefined;
  await unlink(fresh);
  await syncFolder(dirname(place.path));
  return made === undefined ? "exists" : { tag: made.tag };
}

/**
 * Replaces by claim: of all who want to replace the value with tag T, the one that links its new value
 * to the name "claim of T" has won, and while that name exists nobody else can move the key on from T.
 * Whoever reads next finishes the move if the winner was killed in between.
 */
async function replace(
  place: Place,
  body: Uint8Array,
  tag: string,
): Promise<{ tag: string } | "moved"> {
  if ((await read(place))?.tag !== tag) return "moved";
  const fresh = await writeAside(place, body);
  const claim = claimOf(place, tag);
  const won = await linkOnce(fresh, claim);
  const made = await readOnce(fresh);
  await unlink(fresh);
  if (!won || made === undefined) return "moved";

  const current = await readOnce(place.path);
  if (current?.tag === tag) await moveIfThere(claim, place.path);
  else if (current?.tag !== made.tag) return withdraw(claim); // claimed a value that was gone already
  await syncFolder(dirname(place.path));
  return { tag: made.tag };
}

async function withdraw(claim: string): Promise<"moved"> {
  await unlinkIfThere(claim);
  return "moved";
}

async function remove(place: Place, tag: string): Promise<"removed" | "moved"> {
  if ((await read(place))?.tag !== tag) return "moved";
  const claim = claimOf(place, tag);
  try {
    await symlink("removed", claim);
  } catch (error) {
    if (hasCode(error, "EEXIST")) return "moved";
    throw error;
  }
  const taken = join(place.aside, randomUUID());
  await moveIfThere(place.path, taken);
  const ours = (await readOnce(taken))?.tag === tag;
  if (!ours) await linkOnce(taken, place.path); // replaced meanwhile: that value stays
  await unlinkIfThere(taken);
  await unlinkIfThere(claim);
  await syncFolder(dirname(place.path));
  return ours ? "removed" : "moved";
}

async function* list(folder: string, prefix: string): AsyncIterable<string> {
  const below = prefix.includes("/") ? prefix.slice(0, prefix.lastIndexOf("/")) : "";
  for await (const key of walk(folder, below)) if (key.startsWith(prefix)) yield key;
}

async function* walk(folder: string, below: string): AsyncIterable<string> {
  const entries = await readdir(join(folder, below), { withFileTypes: true }).catch(ignoreMissing);
  const sortName = (name: string, isFolder: boolean): string => (isFolder ? `${name}/` : name);
  const sorted = (entries ?? []).toSorted((left, right) =>
    sortName(left.name, left.isDirectory()) < sortName(right.name, right.isDirectory()) ? -1 : 1,
  );
  for (const entry of sorted) {
    if (entry.name.startsWith(".")) continue;
    const key = below === "" ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) yield* walk(folder, key);
    else yield key;
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

function claimOf({ path, aside }: Place, tag: string): string {
  return join(aside, `claim-${createHash("sha256").update(`${path}\n${tag}`).digest("hex")}`);
}

async function linkOnce(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (hasCode(error, "EEXIST")) return false;
    throw error;
  }
}

/** Renames; false when there is nothing to rename. A removal's claim is a link and is never moved. */
async function moveIfThere(from: string, to: string): Promise<boolean> {
  try {
    await stat(from);
    await rename(from, to);
    return true;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return false;
    throw error;
  }
}

async function unlinkIfThere(path: string): Promise<void> {
  await unlink(path).catch(ignoreMissing);
}

/** Makes a folder and makes its name durable, up to the first folder that was there. */
async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) {
    await syncFolder(dirname(made));
  }
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, "r");
  await folder.sync();
}

function ignoreMissing(error: unknown): undefined {
  if (hasCode(error, "ENOENT")) return undefined;
  throw error;
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
