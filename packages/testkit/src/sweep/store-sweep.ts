import process from "node:process";
import type { Json, Store } from "@lockstep/plugin";
import { describe, expect, it } from "vitest";
import { runKilled } from "./process.ts";
import { sampleOf } from "./sample.ts";

const VERBS = ["create", "replace", "remove"] as const;

/** The default export of the module that opens the store again in another process. */
export type StoreCrashModule = (state: Json) => Promise<Store>;

/** What is swept, and how much of it. */
export interface StoreSweep {
  /** `file:` URL of the {@link StoreCrashModule}. */
  readonly module: string;
  /** A fresh store for every kill, and what another process needs to open it. */
  open(): Promise<{ readonly store: Store; readonly state: Json; dispose?(): Promise<void> }>;
  /** Kills of each verb; default all points. */
  readonly kills?: number;
  readonly seed?: number;
}

/** What a process does until it is killed. */
export interface StoreJob {
  readonly module: string;
  readonly state: Json;
  readonly verb: (typeof VERBS)[number];
  readonly key: string;
  readonly body: string;
  readonly at: number;
}

const KEY = "runs/production-000001-00000000/00000000";
const OTHER = "runs/production-000001-00000000/00000001";
const OLD = `old ${"o".repeat(20_000)}`;
const NEW = `new ${"n".repeat(30_000)}`;

/**
 * Kills a process with SIGKILL before and after every write that a store makes while it creates, replaces and
 * removes. Each time another process opens the store: it must find the old value or the new one whole, list
 * what it can get and nothing else, and be able to write.
 */
export function describeStoreCrashSweep(name: string, sweep: StoreSweep): void {
  describe(`${name}, killed anywhere`, () => {
    it.each(VERBS)(
      "in %s, keeps the old value or the new one",
      { timeout: 600_000 },
      async (verb) => {
        await expect(sweepVerb(name, sweep, verb)).resolves.toBeUndefined();
      },
    );
  });
}

/** Kills one verb at its points. Rejects with what was wrong after one of them. */
export async function sweepVerb(
  name: string,
  sweep: StoreSweep,
  verb: (typeof VERBS)[number],
): Promise<void> {
  const { points } = await killAt(sweep, verb, -1);
  const chosen = sampleOf(points, sweep);
  let killed = 0;
  for (const at of chosen) killed += (await killAt(sweep, verb, at)).isKilled ? 1 : 0;
  process.stdout.write(`${name}: ${verb} has ${points} points; ${killed} kills\n`);

  expect(points).toBeGreaterThan(0);
  expect(killed).toBe(chosen.length);
}

async function killAt(
  sweep: StoreSweep,
  verb: (typeof VERBS)[number],
  at: number,
): Promise<{ readonly points: number; readonly isKilled: boolean }> {
  const { store, state, dispose } = await sweep.open();
  try {
    await store.create(OTHER, Buffer.from("other"));
    const other = (await store.get(OTHER))?.tag;
    if (verb !== "create") await store.create(KEY, Buffer.from(OLD));
    const job: StoreJob = { module: sweep.module, state, verb, key: KEY, body: NEW, at };
    const { facts, exit, said } = await runKilled<{ points: number }>("store-child", job);
    if (at < 0 && exit !== 0) throw new Error(`It ended with ${exit}: ${said}`);
    const values = at < 0 ? [VALUES[verb][1]] : VALUES[verb];
    await mustBeWhole(store, values, at < 0 ? verb : `${verb} killed at ${at}`);
    expect((await store.get(OTHER))?.tag, "the tag of another key").toBe(other);
    return { points: facts[0]?.points ?? 0, isKilled: exit === null };
  } finally {
    await dispose?.();
  }
}

/** Values of the key before and after each verb. */
const VALUES = { create: [undefined, NEW], replace: [OLD, NEW], remove: [OLD, undefined] } as const;

async function mustBeWhole(
  store: Store,
  values: readonly (string | undefined)[],
  where: string,
): Promise<void> {
  const found = await store.get(KEY);
  const text = found === undefined ? undefined : Buffer.from(found.body).toString();
  expect(values, where).toContain(text);
  const keys: string[] = [];
  for await (const key of store.list("")) keys.push(key);
  expect(keys, where).toEqual(text === undefined ? [OTHER] : [KEY, OTHER]);
  const body = Buffer.from("later");
  const written =
    found === undefined ? await store.create(KEY, body) : await store.replace(KEY, body, found.tag);
  expect(typeof written, where).toBe("object");
  expect(Buffer.from((await store.get(KEY))?.body ?? []).toString(), where).toBe("later");
}
