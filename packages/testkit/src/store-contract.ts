import type { Store } from "@lockstep/plugin";
import { describe, it } from "vitest";
import { type Claim, CLAIM_TIMEOUT_MS, must, mustEqual } from "./claims.ts";

/** A fresh, empty store, and a way to open it once more. */
export interface StoreWorld {
  readonly store: Store;
  /** A second handle on the same data, as another process has it. */
  again(): Promise<Store>;
  dispose?(): Promise<void>;
}

const bytes = (text: string): Uint8Array => Buffer.from(text);

/** Registers one test for each promise of a store; `make` builds a fresh one for every one. */
export function describeStoreContract(name: string, make: () => Promise<StoreWorld>): void {
  describe(`${name} keeps the store contract:`, () => {
    for (const { title, holds } of storeClaims) {
      it(title, { timeout: CLAIM_TIMEOUT_MS }, async () => {
        const world = await make();
        try {
          await holds(world);
        } finally {
          await world.dispose?.();
        }
      });
    }
  });
}

/** The promises of {@link Store}, one by one. */
export const storeClaims: readonly Claim<StoreWorld>[] = [
  {
    title: "what was created is read back, byte for byte, also by others",
    async holds({ store, again }) {
      const large = Uint8Array.from({ length: 1 << 20 }, (_, index) => index % 251);
      for (const [key, body] of [
        ["a/empty", bytes("")],
        ["a/large", large],
      ] as const) {
        const made = await store.create(key, body);
        const found = await (await again()).get(key);
        must(
          found !== undefined && Buffer.from(found.body).equals(body),
          `${key} is read back altered`,
        );
        mustEqual(made, { tag: found?.tag }, `create returned another tag for ${key}`);
      }
      mustEqual(await store.get("a/none"), undefined, "a key that was never created");
    },
  },
  {
    title: "of many that create one key exactly one wins, and its value stays",
    async holds({ store, again }) {
      const handles = [store, await again()];
      const tries = Array.from({ length: 50 }, async (_, index) =>
        (handles[index % 2] ?? store).create("race", bytes(`${index}`)),
      );
      const winners = (await Promise.all(tries)).flatMap((made, index) =>
        made === "exists" ? [] : [index],
      );
      mustEqual(winners.length, 1, "winners");
      mustEqual(await textOf(store, "race"), String(winners[0]), "the value is not the winner's");
      mustEqual(await store.create("race", bytes("late")), "exists", "a late create");
      mustEqual(await textOf(store, "race"), String(winners[0]), "a late create changed the value");
    },
  },
  {
    title: "a value is replaced only by who names its tag, and the tag changes with every write",
    async holds({ store }) {
      await store.create("key", bytes("same"));
      const first = (await store.get("key"))?.tag ?? "";
      const second = await store.replace("key", bytes("same"), first);
      must(second !== "moved" && second.tag !== first, "the same bytes written again keep the tag");
      mustEqual(
        await store.replace("key", bytes("stale"), first),
        "moved",
        "replace with a stale tag",
      );
      mustEqual(
        await store.replace("key", bytes("same"), first),
        "moved",
        "replace with a stale tag by the bytes that are there",
      );
      mustEqual(await store.replace("none", bytes("x"), first), "moved", "replace of nothing");
      mustEqual(await textOf(store, "key"), "same", "a refused replace changed the value");
    },
  },
  {
    title: "of many that replace one value by its tag exactly one wins, and its value stays",
    async holds({ store, again }) {
      const handles = [store, await again()];
      await store.create("race", bytes("start"));
      const tag = (await store.get("race"))?.tag ?? "";
      const tries = Array.from({ length: 20 }, async (_, index) =>
        (handles[index % 2] ?? store).replace("race", bytes(`${index}`), tag),
      );
      const winners = (await Promise.all(tries)).flatMap((made, index) =>
        made === "moved" ? [] : [index],
      );
      mustEqual(winners.length, 1, "winners");
      mustEqual(await textOf(store, "race"), String(winners[0]), "the value is not the winner's");
    },
  },
  {
    title: "no update is lost when many replace one value",
    async holds({ store, again }) {
      await store.create("count", bytes("0"));
      const increment = async (handle: Store): Promise<void> => {
        for (let tries = 0; tries < 1000; tries += 1) {
          const found = await handle.get("count");
          const next = bytes(`${Number(Buffer.from(found?.body ?? []).toString()) + 1}`);
          if ((await handle.replace("count", next, found?.tag ?? "")) !== "moved") return;
        }
        throw new Error("a value cannot be replaced in 1,000 tries");
      };
      const handles = [store, await again()];
      await Promise.all(
        Array.from({ length: 20 }, async (_, index) => increment(handles[index % 2] ?? store)),
      );
      mustEqual(await textOf(store, "count"), "20", "updates");
    },
  },
  {
    title: "a key is removed only by who names its tag, and can be created anew",
    async holds({ store, again }) {
      await store.create("key", bytes("one"));
      const tag = (await store.get("key"))?.tag ?? "";
      await store.replace("key", bytes("two"), tag);
      mustEqual(await store.remove("key", tag), "moved", "remove with a stale tag");
      mustEqual(await store.remove("none", tag), "moved", "remove of nothing");
      mustEqual(
        await store.remove("key", (await store.get("key"))?.tag ?? ""),
        "removed",
        "remove",
      );
      mustEqual(await (await again()).get("key"), undefined, "a removed key");
      must(
        (await store.create("key", bytes("three"))) !== "exists",
        "a removed key cannot be created",
      );
      mustEqual(await textOf(store, "key"), "three", "the new value");
    },
  },
  {
    title: "a tag fits nothing that was created after its key was removed",
    async holds({ store }) {
      await store.create("key", bytes("same"));
      const old = (await store.get("key"))?.tag ?? "";
      await store.remove("key", old);
      await store.create("key", bytes("same"));
      mustEqual(
        await store.replace("key", bytes("stale"), old),
        "moved",
        "replace with an old tag",
      );
      mustEqual(await store.remove("key", old), "moved", "remove with an old tag");
      mustEqual(await textOf(store, "key"), "same", "the new value");
    },
  },
  {
    title: "keys are listed by prefix, in ascending order, with all that was created before",
    async holds({ store, again }) {
      const keys = ["runs/b-1/00000001", "runs/b-1/00000000", "runs/b/00000000", "runs/c", "other"];
      for (const key of keys) await store.create(key, bytes(key));
      const list = async (prefix: string): Promise<string[]> => {
        const found: string[] = [];
        for await (const key of (await again()).list(prefix)) found.push(key);
        return found;
      };
      mustEqual(
        await list("runs/b"),
        ["runs/b-1/00000000", "runs/b-1/00000001", "runs/b/00000000"],
        "by prefix",
      );
      mustEqual(await list(""), keys.toSorted(), "all keys");
      mustEqual(await list("none/"), [], "no keys");
    },
  },
  {
    title: "keys may have every allowed character, and no others",
    async holds({ store }) {
      const allowed = ["A-Z_a.z-09/x.y", "k".repeat(200), `${"segment/".repeat(63)}12345678`];
      for (const key of allowed) {
        must((await store.create(key, bytes(key))) !== "exists", `${key} exists`);
        mustEqual(await textOf(store, key), key, `the value of ${key}`);
      }
      const body = bytes("x");
      for (const key of ["", "/a", "a/", "a//b", "../a", "a/../b", ".a", "a b", "ä", LONG_KEY]) {
        const text = JSON.stringify(key);
        await mustThrow(() => store.get(key), `get does not refuse the key ${text}`);
        await mustThrow(() => store.create(key, body), `create does not refuse the key ${text}`);
        await mustThrow(() => store.replace(key, body, "t"), `replace does not refuse ${text}`);
        await mustThrow(() => store.remove(key, "t"), `remove does not refuse the key ${text}`);
      }
    },
  },
];

async function textOf(store: Store, key: string): Promise<string> {
  return Buffer.from((await store.get(key))?.body ?? []).toString();
}

/** One character more than a key may have. */
const LONG_KEY = `${"segment/".repeat(64)}1`;

async function mustThrow(call: () => Promise<unknown>, message: string): Promise<void> {
  const refused = await call().then(
    () => false,
    () => true,
  );
  must(refused, message);
}
