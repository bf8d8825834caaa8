import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Stored } from "@lockstep/plugin";
import type { StoreCrashModule } from "../../src/index.ts";

/** Ways to write a value that look right until a process dies. */
export const MUTANTS = ["in place", "remove first", "with a lock"] as const;

/** How values are written; `aside` is right for one process at a time, which is all that the sweep asks. */
export type Way = "aside" | (typeof MUTANTS)[number];

interface Value {
  readonly tag: string;
  readonly text: string;
}

type Write = (path: string, text: string) => Promise<void>;

/** A store of one file for each key, with a tag in front of the value. */
export const openFileStore: StoreCrashModule = async (state) => {
  const { folder, way } = state as { readonly folder: string; readonly way: Way };
  await mkdir(folder, { recursive: true });
  const pathOf = (key: string): string => join(folder, encodeURIComponent(key));
  const read = async (key: string): Promise<Value | undefined> => {
    const text = await readFile(pathOf(key), "utf8").catch(() => undefined);
    if (text === undefined) return undefined;
    const end = text.indexOf("\n");
    return { tag: text.slice(0, end), text: text.slice(end + 1) };
  };
  const put = async (key: string, body: Uint8Array): Promise<{ tag: string }> => {
    const tag = randomUUID();
    const path = pathOf(key);
    await WRITES[way](path, `${tag}\n${Buffer.from(body).toString()}`);
    return { tag };
  };
  return {
    "~lockstep": { api: 1, plugin: "test", version: "1.0.0" },
    traits: { durable: true },
    place: folder,
    async get(key): Promise<Stored | undefined> {
      const value = await read(key);
      return value === undefined ? undefined : { body: Buffer.from(value.text), tag: value.tag };
    },
    create: async (key, body) => ((await read(key)) === undefined ? put(key, body) : "exists"),
    replace: async (key, body, tag) => ((await read(key))?.tag === tag ? put(key, body) : "moved"),
    async remove(key, tag) {
      if ((await read(key))?.tag !== tag) return "moved";
      await unlink(pathOf(key));
      return "removed";
    },
    async *list(prefix) {
      const names = (await readdir(folder)).filter((name) => !name.startsWith("."));
      const keys = names.map((name) => decodeURIComponent(name));
      yield* keys.filter((key) => key.startsWith(prefix)).toSorted();
    },
  };
};

const aside: Write = async (path, text) => {
  const fresh = join(path, "..", `.${randomUUID()}`);
  await writeFile(fresh, text);
  await rename(fresh, path);
};

const WRITES: Readonly<Record<Way, Write>> = {
  aside,
  async "in place"(path, text) {
    await using file = await open(path, "w");
    const half = Math.floor(text.length / 2);
    await file.write(text.slice(0, half));
    await file.write(text.slice(half));
  },
  async "remove first"(path, text) {
    await rm(path, { force: true });
    await aside(path, text);
  },
  async "with a lock"(path, text) {
    const lock = join(path, "..", ".lock");
    const held = await mkdir(lock).then(
      () => true,
      () => false,
    );
    if (!held) throw new Error("the store is locked");
    await aside(path, text);
    await rm(lock, { recursive: true });
  },
};

// The suite imports the module by its address and calls what it exports by default.
// oxlint-disable-next-line import/no-default-export
export default openFileStore;
