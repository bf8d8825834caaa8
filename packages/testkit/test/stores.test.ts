import type { Store, Stored } from "@lockstep/plugin";
import { describe, expect, it } from "vitest";
import { describeStoreContract } from "../src/index.ts";
import { storeClaims } from "../src/store-contract.ts";

/** The smallest store that keeps the contract. */
function memoryStore(values: Map<string, Stored> = new Map()): Store {
  let writes = 0;
  const check = (key: string): void => {
    const segment = /^[0-9A-Za-z_-][0-9A-Za-z._-]*$/;
    if (key.length > 512 || !key.split("/").every((part) => segment.test(part)))
      throw new Error(`bad key ${key}`);
  };
  const put = (key: string, body: Uint8Array): { tag: string } => {
    const tag = `${values.size}-${(writes += 1)}-${Math.random()}`;
    values.set(key, { body: Uint8Array.from(body), tag });
    return { tag };
  };
  return {
    "~lockstep": { api: 1, plugin: "test", version: "1.0.0" },
    traits: { durable: false },
    place: "memory",
    async get(key) {
      check(key);
      return values.get(key);
    },
    async create(key, body) {
      check(key);
      return values.has(key) ? "exists" : put(key, body);
    },
    async replace(key, body, tag) {
      check(key);
      return values.get(key)?.tag === tag ? put(key, body) : "moved";
    },
    async remove(key, tag) {
      check(key);
      if (values.get(key)?.tag !== tag) return "moved";
      values.delete(key);
      return "removed";
    },
    async *list(prefix) {
      for (const key of [...values.keys()].toSorted()) if (key.startsWith(prefix)) yield key;
    },
  };
}

describeStoreContract("a store in memory", async () => {
  const values = new Map<string, Stored>();
  return { store: memoryStore(values), again: async () => memoryStore(values) };
});

describe("the store contract finds", () => {
  const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it.each<[string, (store: Store) => Partial<Store>, RegExp]>([
    [
      "a create that looks before it writes",
      (store) => ({
        create: async (key, body) => {
          const found = await store.get(key);
          await pause();
          if (found !== undefined) return "exists";
          await store.remove(key, (await store.get(key))?.tag ?? "");
          return store.create(key, body);
        },
      }),
      /exactly one wins/,
    ],
    [
      "a replace that ignores the tag",
      (store) => ({
        replace: async (key, body) => store.replace(key, body, (await store.get(key))?.tag ?? ""),
      }),
      /only by who names its tag/,
    ],
    [
      "a remove that ignores the tag",
      (store) => ({ remove: async (key) => store.remove(key, (await store.get(key))?.tag ?? "") }),
      /removed only by/,
    ],
    [
      "a list without order",
      (store) => ({
        list: async function* (prefix: string) {
          const keys: string[] = [];
          for await (const key of store.list(prefix)) keys.unshift(key);
          yield* keys;
        },
      }),
      /ascending order/,
    ],
    [
      "a replace that looks before it writes",
      (store) => ({
        replace: async (key, body, tag) => {
          if ((await store.get(key))?.tag !== tag) return "moved";
          await pause();
          return store.replace(key, body, (await store.get(key))?.tag ?? "");
        },
      }),
      /by its tag exactly one wins/,
    ],
    [
      "tags made of the content",
      (store) => {
        const tagOf = (body: Uint8Array): string => Buffer.from(body).toString("hex").slice(0, 80);
        const current = async (key: string, tag: string): Promise<string> => {
          const found = await store.get(key);
          return found !== undefined && tagOf(found.body) === tag ? found.tag : "";
        };
        return {
          async get(key) {
            const found = await store.get(key);
            return found === undefined ? found : { body: found.body, tag: tagOf(found.body) };
          },
          async create(key, body) {
            return (await store.create(key, body)) === "exists" ? "exists" : { tag: tagOf(body) };
          },
          remove: async (key, tag) => store.remove(key, await current(key, tag)),
        };
      },
      /fits nothing that was created after/,
    ],
    [
      "keys that only create checks",
      (store) => ({
        replace: async (key, body, tag) => (key === "" ? "moved" : store.replace(key, body, tag)),
      }),
      /allowed character/,
    ],
    ["keys that are not checked", () => ({ get: async () => undefined }), /allowed character/],
  ])("%s", async (_, change, title) => {
    const broken: string[] = [];
    for (const claim of storeClaims) {
      const store = memoryStore();
      const mutant = { ...store, ...change(store) };
      await claim
        .holds({ store: mutant, again: async () => mutant })
        .catch(() => broken.push(claim.title));
    }

    expect(broken.join("\n")).toMatch(title);
  });
});
