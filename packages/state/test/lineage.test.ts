import { MemoryStore } from "@lockstep/testkit";
import { describe, expect, it } from "vitest";
import { lineageOf } from "../src/lineage.ts";
import { fastSurroundings } from "./fixtures.ts";

describe("the name of a store", () => {
  it("is made once, also when two first runs want it at once", async () => {
    const store = new MemoryStore();
    const names = await Promise.all([
      lineageOf(store, fastSurroundings("ada")),
      lineageOf(store, fastSurroundings("bob")),
    ]);

    expect(names[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(new Set([...names, await lineageOf(store, fastSurroundings())]).size).toBe(1);
    expect([...store.values.keys()]).toEqual(["lineage"]);
  });

  it.each([
    [
      "creates a key that exists",
      (store: MemoryStore) => {
        const real = store.create.bind(store);
        store.create = async (key, body) => {
          store.values.delete(key);
          return real(key, body);
        };
      },
    ],
    [
      "replaces a value that has changed",
      (store: MemoryStore) => {
        const real = store.replace.bind(store);
        store.replace = async (key, body) => real(key, body, store.values.get(key)?.tag ?? "");
      },
    ],
    [
      "does not replace what it just wrote",
      (store: MemoryStore) => {
        store.replace = async () => "moved";
      },
    ],
  ])("is not given to a store that %s", async (what, breakIt) => {
    const store = new MemoryStore();
    breakIt(store);

    await expect(lineageOf(store, fastSurroundings())).rejects.toMatchObject({
      code: "STORE_UNSOUND",
      message: `The store memory cannot be used: it ${what}.`,
    });
    expect(store.values.has("lineage")).toBe(false);
  });
});
