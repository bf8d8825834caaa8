import { canonicalJson, isLockstepError, type Json, type Store } from "@lockstep/plugin";
import { setAside, withBody } from "./blobs.ts";
import { journalUnreadable, runFenced, storeUnreachable } from "./errors.ts";
import { reachable } from "./reachable.ts";
import type { JournalRecord, RecordBodies, RecordType } from "./records.ts";
import { digestOf } from "./surroundings.ts";

/** The append-only story of a run. */
export interface Journal {
  readonly run: string;
  /** All records, oldest first, with large bodies fetched; those of overtaken processes left out. */
  readonly records: readonly JournalRecord[];
  /**
   * Resolves once the record is durable. Records become durable in the order of the calls.
   *
   * @throws {LockstepError} `RUN_FENCED` when another process wrote the slot, `STORE_UNREACHABLE`
   */
  append: Append;
  /** Takes the next free slot, however many others take one meanwhile: how a recover begins. */
  appendFirst: Append;
  /**
   * Resolves when what was written last is still there: before something is decided for good.
   *
   * @throws {LockstepError} `STORE_UNREACHABLE`
   */
  mustBeThere(): Promise<void>;
  /** Who writes from now on: one that has read first and then taken the lease. */
  writeAs(writer: Writer): void;
}

type Append = <T extends RecordType>(type: T, body: RecordBodies[T]) => Promise<void>;

/** Who writes, under which epoch; asked again at every record. */
export interface Writer {
  readonly epoch: number;
  now(): number;
}

/** Key of a record, so that keys sort as sequence numbers do. */
export function recordKey(run: string, seq: number): string {
  return `runs/${run}/${String(seq).padStart(8, "0")}`;
}

/**
 * Opens the journal of a run and reads what is there; without a writer, only to read.
 *
 * The slot is the compare-and-set: a record is written by creating its key, so two processes can never
 * both own one, and the one that comes second knows that it has been overtaken.
 *
 * @throws {LockstepError} `JOURNAL_UNREADABLE` when a record or blob is missing, broken or out of chain
 */
export async function openJournal(
  store: Store,
  run: string,
  firstWriter: Writer = NOBODY,
): Promise<Journal> {
  let writer = firstWriter;
  const chain: Chain = { records: [], seq: 0, prev: "", newest: 0 };
  await readOn(store, run, chain);
  let queue: Promise<void> = Promise.resolve();

  const enqueue = (write: () => Promise<void>): Promise<void> => {
    const result = queue.then(write);
    queue = result.catch(() => undefined);
    return result;
  };
  return {
    run,
    records: chain.records,
    writeAs(next) {
      writer = next;
    },
    mustBeThere: () =>
      enqueue(async () => {
        const last = await reachable(store, () => store.get(recordKey(run, chain.seq - 1)));
        if (last === undefined || digestOf(last.body) !== chain.prev)
          throw storeUnreachable(store.place, new Error(`the journal of ${run} is gone`));
      }),
    append: (type, body) =>
      enqueue(async () => {
        if (!(await tryAppend(store, chain, { run, writer, type, body }))) throw runFenced(run);
      }),
    appendFirst: (type, body) =>
      enqueue(async () => {
        while (!(await tryAppend(store, chain, { run, writer, type, body }))) {
          await readOn(store, run, chain);
        }
      }),
  };
}

/** For those who only read. */
const NOBODY: Writer = { epoch: 0, now: () => 0 };

interface Chain {
  readonly records: JournalRecord[];
  seq: number;
  prev: string;
  /** The highest epoch that wrote so far. */
  newest: number;
}

interface Draft {
  readonly run: string;
  readonly writer: Writer;
  readonly type: RecordType;
  readonly body: RecordBodies[RecordType];
}

/**
 * False when another process owns the slot.
 *
 * @throws {LockstepError} `RUN_FENCED` when a newer process has written, or when a run would begin twice:
 *   a process that slept may read what was written meanwhile, and must not go on behind it
 */
async function tryAppend(store: Store, chain: Chain, draft: Draft): Promise<boolean> {
  const { run, writer, type } = draft;
  if (chain.newest > writer.epoch || (type === "run.begin" && chain.seq > 0)) throw runFenced(run);
  const body = await setAside(store, draft.body as unknown as Json);
  const record = {
    v: 1,
    seq: chain.seq,
    prev: chain.prev,
    at: new Date(writer.now()).toISOString(),
    run,
    epoch: writer.epoch,
    type,
    body,
  };
  const bytes = Buffer.from(`${canonicalJson(record)}\n`);
  const key = recordKey(run, chain.seq);
  const made = await reachable(store, () => store.create(key, bytes));
  if (made === "exists") {
    const there = await reachable(store, () => store.get(key));
    if (there === undefined || !bytes.equals(there.body)) return false; // else our own retried write
  }
  advance(chain, bytes, { ...record, body: draft.body } as JournalRecord);
  return true;
}

function advance(chain: Chain, bytes: Uint8Array, record: JournalRecord): void {
  chain.records.push(record);
  chain.newest = Math.max(chain.newest, record.epoch);
  chain.seq += 1;
  chain.prev = digestOf(bytes);
}

/** Records that are fetched at the same time: a store may be far away. */
const READ_AT_ONCE = 16;

/**
 * Reads the records that are there beyond those already known.
 *
 * A record that is missing while later ones exist is damage, not an end.
 */
async function readOn(store: Store, run: string, chain: Chain): Promise<void> {
  const keys: string[] = [];
  await reachable(store, async () => {
    for await (const key of store.list(`runs/${run}/`)) {
      if (key >= recordKey(run, chain.seq)) keys.push(key);
    }
  });
  for (let next = 0; next < keys.length; next += READ_AT_ONCE) {
    const part = keys.slice(next, next + READ_AT_ONCE);
    const bodies = await Promise.all(
      part.map((key) => reachable(store, async () => (await store.get(key))?.body)),
    );
    for (const [index, body] of bodies.entries()) {
      if (body === undefined || part[index] !== recordKey(run, chain.seq))
        throw journalUnreadable(run, { seq: chain.seq, what: "is missing" });
      const record = await parse(store, body, chain);
      const isOvertaken = record.epoch < chain.newest;
      advance(chain, body, record);
      if (isOvertaken) chain.records.pop();
    }
  }
}

async function parse(store: Store, bytes: Uint8Array, chain: Chain): Promise<JournalRecord> {
  const run = chain.records[0]?.run ?? "";
  try {
    const record = JSON.parse(Buffer.from(bytes).toString("utf8")) as JournalRecord;
    if (record.v !== 1)
      throw journalUnreadable(record.run, {
        seq: chain.seq,
        what: `has format ${String(record.v)}`,
      });
    if (record.seq !== chain.seq || record.prev !== chain.prev) {
      throw journalUnreadable(record.run, {
        seq: chain.seq,
        what: "does not continue the record before it",
      });
    }
    return await withBody(store, record);
  } catch (cause) {
    if (isLockstepError(cause)) throw cause;
    throw journalUnreadable(run, { seq: chain.seq, what: "is not JSON", cause });
  }
}

/** Ends a run whose journal cannot be read, behind whatever is there: no chain can be continued. */
export async function closeUnread(
  store: Store,
  run: string,
  { writer, body }: { readonly writer: Writer; readonly body: RecordBodies["run.end"] },
): Promise<void> {
  let seq = 0;
  await reachable(store, async () => {
    for await (const key of store.list(`runs/${run}/`)) seq = Number(key.slice(-8)) + 1;
  });
  const chain: Chain = { records: [], seq, prev: "", newest: 0 };
  if (!(await tryAppend(store, chain, { run, writer, type: "run.end", body })))
    throw runFenced(run);
}

/** First and last record of a run, without what lies between. A recover that found it over does not count. */
export async function readEnds(
  store: Store,
  run: string,
  last: number,
): Promise<readonly [JournalRecord, JournalRecord] | undefined> {
  const [first, end] = await Promise.all([readAt(store, run, 0), readAt(store, run, last)]);
  if (first === undefined || end === undefined) return undefined;
  return end.type === "epoch.begin" && last > 0 ? readEnds(store, run, last - 1) : [first, end];
}

async function readAt(store: Store, run: string, seq: number): Promise<JournalRecord | undefined> {
  const stored = await reachable(store, () => store.get(recordKey(run, seq)));
  if (stored === undefined) return undefined;
  const record = JSON.parse(Buffer.from(stored.body).toString("utf8")) as JournalRecord;
  return withBody(store, record);
}
