import { MemoryStore } from "@lockstep/testkit";
import { describe, expect, it } from "vitest";
import * as journals from "../src/journal.ts";
import { recordKey } from "../src/journal.ts";

function textOf(store: MemoryStore, key: string): string {
  return Buffer.from(store.values.get(key)?.body ?? []).toString();
}

/** Slots and bytes matter here, not what the records say. */
interface Loose {
  readonly records: readonly { seq: number; prev: string; type: string; body: unknown }[];
  append(type: string, body: unknown): Promise<void>;
  appendFirst(type: string, body: unknown): Promise<void>;
}

const openJournal = journals.openJournal as unknown as (
  ...parts: Parameters<typeof journals.openJournal>
) => Promise<Loose>;

const WRITER = { epoch: 1, now: () => 0 };

describe("a journal", () => {
  it("is read back in order, each record naming the digest of the one before", async () => {
    const store = new MemoryStore();
    const journal = await openJournal(store, "r", WRITER);
    await Promise.all([
      journal.append("a", 1),
      journal.append("b", { x: [2] }),
      journal.append("c", null),
    ]);

    const again = await openJournal(store, "r", WRITER);

    expect(again.records.map(({ seq, type, body }) => [seq, type, body])).toEqual([
      [0, "a", 1],
      [1, "b", { x: [2] }],
      [2, "c", null],
    ]);
    expect(again.records[1]?.prev).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(textOf(store, recordKey("r", 0))).toMatch(/^\{.*"v":1\}\n$/);
  });

  it("keeps large bodies beside the record, written before it", async () => {
    const store = new MemoryStore();
    const keys: string[] = [];
    store.onWrite = (key) => {
      keys.push(key);
    };
    const body = { text: "x".repeat(70_000) };

    await (await openJournal(store, "r", WRITER)).append("big", body);

    expect(keys).toEqual([expect.stringMatching(/^blobs\/sha256-/), recordKey("r", 0)]);
    expect((await openJournal(store, "r", WRITER)).records[0]?.body).toEqual(body);
  });

  it("tells a process that another one wrote its slot", async () => {
    const store = new MemoryStore();
    const old = await openJournal(store, "r", WRITER);
    const taker = await openJournal(store, "r", { ...WRITER, epoch: 2 });
    await taker.appendFirst("epoch.begin", {});

    await expect(old.append("applied", {})).rejects.toMatchObject({ code: "RUN_FENCED" });
  });

  it("lets a recover win the next free slot while the old process still writes", async () => {
    const store = new MemoryStore();
    const old = await openJournal(store, "r", WRITER);
    const taker = await openJournal(store, "r", { ...WRITER, epoch: 2 });
    await old.append("intent", 1);
    await old.append("applied", 2);

    await taker.appendFirst("epoch.begin", {});

    expect(taker.records.map(({ type }) => type)).toEqual(["intent", "applied", "epoch.begin"]);
  });

  it("lets no process write behind a newer one, also when it reads what the newer one wrote", async () => {
    const store = new MemoryStore();
    const newer = await openJournal(store, "r", { ...WRITER, epoch: 3 });
    await newer.appendFirst("epoch.begin", {});

    const sleeper = await openJournal(store, "r", { ...WRITER, epoch: 2 });

    await expect(sleeper.append("applied", {})).rejects.toMatchObject({ code: "RUN_FENCED" });
    await expect(sleeper.appendFirst("epoch.begin", {})).rejects.toMatchObject({
      code: "RUN_FENCED",
    });
  });

  it("begins once", async () => {
    const store = new MemoryStore();
    await (await openJournal(store, "r", WRITER)).append("run.begin", {});

    const again = await openJournal(store, "r", WRITER);

    await expect(again.append("run.begin", {})).rejects.toMatchObject({ code: "RUN_FENCED" });
  });

  it("takes a record that it had written itself, when the reply was lost, as written", async () => {
    const store = new MemoryStore();
    const journal = await openJournal(store, "r", WRITER);
    const real = store.create.bind(store);
    store.create = async (key, body) => {
      await real(key, body);
      return real(key, body);
    };

    await journal.append("a", 1);

    expect(journal.records).toHaveLength(1);
  });

  it.each([
    [
      "a record that is missing in the middle",
      (values: MemoryStore["values"]) => values.delete(recordKey("r", 1)),
    ],
    [
      "a record that was altered",
      (values: MemoryStore["values"]) =>
        values.set(recordKey("r", 0), {
          tag: "x",
          body: Buffer.from(
            Buffer.from(values.get(recordKey("r", 0))?.body ?? [])
              .toString()
              .replace('"body":1', '"body":2'),
          ),
        }),
    ],
    [
      "a record that is cut short",
      (values: MemoryStore["values"]) =>
        values.set(recordKey("r", 2), { tag: "x", body: Buffer.from("{") }),
    ],
  ])("refuses %s", async (_, damage) => {
    const store = new MemoryStore();
    const journal = await openJournal(store, "r", WRITER);
    for (const body of [1, 2, 3]) await journal.append("a", body);

    damage(store.values);

    await expect(openJournal(store, "r", WRITER)).rejects.toMatchObject({
      code: "JOURNAL_UNREADABLE",
    });
  });

  it("refuses a blob that was altered", async () => {
    const store = new MemoryStore();
    await (await openJournal(store, "r", WRITER)).append("big", "x".repeat(20_000));
    const blob = [...store.values.keys()].find((key) => key.startsWith("blobs/")) ?? "";
    store.values.set(blob, { tag: "x", body: Buffer.from('"y"') });

    await expect(openJournal(store, "r", WRITER)).rejects.toMatchObject({
      code: "JOURNAL_UNREADABLE",
    });
  });

  it("says so when the store fails", async () => {
    const store = new MemoryStore();
    const journal = await openJournal(store, "r", WRITER);
    store.onWrite = () => {
      throw new Error("EIO");
    };

    await expect(journal.append("a", 1)).rejects.toMatchObject({
      code: "STORE_UNREACHABLE",
      message: "The store memory could not be used: EIO",
    });
  });

  it("notices that it was taken away, before something is decided", async () => {
    const store = new MemoryStore();
    const journal = await journals.openJournal(store, "r", WRITER);
    await (journal as unknown as Loose).append("a", 1);
    await journal.mustBeThere();
    store.values.clear();

    await expect(journal.mustBeThere()).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
  });
});
