import { API_VERSION, type Store, type Stored } from "@lockstep/plugin";
import type { MemoryUnit } from "@lockstep/testkit";
import type { Faults } from "./faults.ts";
import type { Process, Scheduler } from "./scheduler.ts";
import { copyOf, type Story } from "./story.ts";

/** Units of the model, one in each of its three targets. */
export const UNITS = ["a", "b", "c"] as const;

/** What all processes share: units, stored values, and the observer's notes. */
export interface World {
  readonly units: Record<string, MemoryUnit>;
  readonly values: Map<string, Stored>;
  readonly story: Story;
  readonly scheduler: Scheduler;
  readonly faults: Faults;
}

/** Somebody who knows nothing of Lockstep changes what is live on a unit. */
export function editByHand({ units, story }: World, name: string): void {
  const unit = unitOf(units, name);
  const from = copyOf(unit);
  unit.live = { release: "foreign", content: `hot-fix ${story.facts.length}` };
  story.note({
    type: "changed",
    by: undefined,
    call: "edit",
    unit: name,
    from,
    to: copyOf(unit),
  });
}

/** The store as one process sees it: every call waits for the scheduler. */
export function storeOf(world: World, process: Process): Store {
  const { values, scheduler, story, faults } = world;
  const put = (key: string, body: Uint8Array): { tag: string } => {
    const tag = `${values.size}-${story.facts.length}-${process.operations}`;
    values.set(key, { body: Uint8Array.from(body), tag });
    story.note({ type: "stored", by: process.id, key, text: Buffer.from(body).toString("utf8") });
    return { tag };
  };
  const pass = async <T>(label: string, effect: () => T): Promise<T> => {
    await scheduler.pass(process, label);
    try {
      faults.strike(process, label, "before");
      const result = effect();
      faults.strike(process, label, "after");
      return result;
    } catch (error) {
      story.note({ type: "store failed", by: process.id });
      throw error;
    }
  };
  const write = <T>(key: string, body: Uint8Array, effect: () => T): Promise<T> =>
    pass(`write ${labelOf(key, body)}`, effect);
  return {
    "~lockstep": { api: API_VERSION, plugin: "model", version: "0.0.0" },
    traits: { durable: true },
    place: "model",
    ttlMs: 2000,
    get: (key) => pass(`read ${key}`, () => values.get(key)),
    create: (key, body) => write(key, body, () => (values.has(key) ? "exists" : put(key, body))),
    replace: (key, body, tag) =>
      write(key, body, () => (values.get(key)?.tag === tag ? put(key, body) : "moved")),
    remove: (key, tag) =>
      pass(`write no ${key.split("/")[0] ?? ""}`, () => {
        if (values.get(key)?.tag !== tag) return "moved";
        values.delete(key);
        return "removed";
      }),
    async *list(prefix) {
      const keys = await pass(`list ${prefix}`, () => [...values.keys()].toSorted());
      for (const key of keys) if (key.startsWith(prefix)) yield key;
    },
    presence: {
      self: async () => process.id,
      look: async (id) => {
        const other = scheduler.processes[Number(id) - 1];
        return other?.state === "paused" || other?.state === "running" ? "unknown" : "gone";
      },
    },
  };
}

/** `decision`, `lease`, `blob`: what is written, so that fault scripts can name it. */
function labelOf(key: string, body: Uint8Array): string {
  const [folder = ""] = key.split("/");
  if (folder !== "runs") return folder;
  return (JSON.parse(Buffer.from(body).toString("utf8")) as { readonly type: string }).type;
}

/** A unit of the world by name. */
export function unitOf(units: Record<string, MemoryUnit>, name: string): MemoryUnit {
  const unit = units[name];
  if (unit === undefined) throw new Error(`There is no unit ${name}.`);
  return unit;
}
