import { API_VERSION, type Store, type Stored } from "@lockstep/plugin";

/** A store in memory that can fail on command and whose handles share one map, as processes share a bucket. */
export class MemoryStore implements Store {
  readonly "~lockstep": Store["~lockstep"] = { api: API_VERSION, plugin: "test", version: "0.0.0" };
  readonly traits: Store["traits"] = { durable: true };
  readonly place = "memory";
  readonly ttlMs: number;
  readonly values: Map<string, Stored>;
  /** Called before every write; what it throws is what the store says. */
  onWrite: (key: string) => void | Promise<void> = () => {};
  /** Called after every write; throwing here is a lost reply. */
  afterWrite: (key: string) => void | Promise<void> = () => {};
  /** Processes that were killed, by the number they got when they took the lease. */
  readonly killed: Set<number> = new Set();
  readonly presence: NonNullable<Store["presence"]> = {
    self: async () => (this.#processes += 1),
    look: async (other) => (this.killed.has(Number(other)) ? "gone" : "alive"),
  };
  #processes = 0;
  #tags = 0;

  constructor({
    ttlMs = 60_000,
    values = new Map<string, Stored>(),
  }: { readonly ttlMs?: number; readonly values?: Map<string, Stored> } = {}) {
    this.ttlMs = ttlMs;
    this.values = values;
  }

  async get(key: string): Promise<Stored | undefined> {
    return this.values.get(key);
  }

  async create(key: string, body: Uint8Array): Promise<{ tag: string } | "exists"> {
    await this.onWrite(key);
    return this.values.has(key) ? "exists" : this.#put(key, body);
  }

  /** Kills every process that ever took a lease here. */
  killAll(): void {
    for (let process = 1; process <= this.#processes; process += 1) this.killed.add(process);
  }

  async replace(key: string, body: Uint8Array, tag: string): Promise<{ tag: string } | "moved"> {
    await this.onWrite(key);
    return this.values.get(key)?.tag === tag ? this.#put(key, body) : "moved";
  }

  async remove(key: string, tag: string): Promise<"removed" | "moved"> {
    if (this.values.get(key)?.tag !== tag) return "moved";
    this.values.delete(key);
    return "removed";
  }

  async *list(prefix: string): AsyncIterable<string> {
    for (const key of [...this.values.keys()].toSorted()) if (key.startsWith(prefix)) yield key;
  }

  async #put(key: string, body: Uint8Array): Promise<{ tag: string }> {
    const tag = `${(this.#tags += 1)}-${Math.random()}`;
    this.values.set(key, { body: Uint8Array.from(body), tag });
    await this.afterWrite(key);
    return { tag };
  }
}
