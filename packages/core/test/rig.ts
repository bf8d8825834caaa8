import { checkConfig } from "@lockstep/config";
import { realSurroundings } from "@lockstep/state";
import {
  MemoryStore,
  memoryTarget,
  type MemoryTargetOptions,
  MemoryWorld,
} from "@lockstep/testkit";
import type { RunJob } from "../src/index.ts";

const NEVER = new Promise<void>(() => {});

/** Three units on release `one`, and what is needed to kill a deploy of `two` anywhere. */
export class Rig {
  readonly world: MemoryWorld = new MemoryWorld(["web-1", "web-2", "web-3"]);
  store: MemoryStore = new MemoryStore();
  readonly calls: string[] = [];
  #releases = 0;

  async job(
    content: string,
    more: Partial<MemoryTargetOptions> = {},
  ): Promise<RunJob & { release: { id: string; createdAt: string } }> {
    const targets = { web: memoryTarget({ world: this.world, content, ...more }) };
    const config = await checkConfig(
      { project: "shop", environments: { production: { targets, store: this.store } } },
      { file: "lockstep.config.ts", folder: "/nowhere", ci: false },
    );
    return {
      config,
      environment: "production",
      surroundings: realSurroundings({}, { user: "ada", machine: "desk" }),
      sinks: [],
      stop: new AbortController().signal,
      onStop: "roll-back",
      release: { id: `r${(this.#releases += 1)}`, createdAt: "2026-11-21T00:00:00Z" },
    };
  }

  /** Starts a run and lets it sleep at a call, until it is woken. */
  async sleepAt<T>(
    at: string,
    body: () => Promise<T>,
  ): Promise<{ readonly run: Promise<T>; wake(): void }> {
    let wake: () => void = () => {};
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    let run: Promise<T> | undefined;
    await new Promise<void>((asleep) => {
      this.world.on = async (call, when) => {
        if (`${when} ${call}` !== at) return;
        this.world.on = () => {};
        asleep();
        await woken;
      };
      run = body();
      run.catch(() => undefined);
    });
    await new Promise((resolve) => setTimeout(resolve, 5)); // records on their way become durable
    this.world.on = () => {};
    return { run: run as Promise<T>, wake };
  }

  /** Starts a run that is killed at a call. */
  async killedAt(at: string, body: () => Promise<unknown>): Promise<void> {
    await this.sleepAt(at, body);
    this.store.killAll();
  }

  /** Starts a run and stops it for ever at its n-th call or store write; false when it ended before. */
  async killAt(n: number, body: () => Promise<unknown>): Promise<boolean> {
    let count = 0;
    let hit: () => void = () => {};
    const killed = new Promise<boolean>((resolve) => {
      hit = () => resolve(true);
    });
    const pass = async (what: string): Promise<void> => {
      this.calls.push(what);
      if (count++ < n) return;
      hit();
      await NEVER;
    };
    this.world.on = (call, when) => pass(`${when} ${call}`);
    this.store.onWrite = (key) => pass(`before write ${key}`);
    this.store.afterWrite = (key) => pass(`after write ${key}`);
    const dead = await Promise.race([
      killed,
      body().then(
        () => false,
        () => false,
      ),
    ]);
    this.world.on = () => {};
    this.store.onWrite = () => {};
    this.store.afterWrite = () => {};
    this.store.killAll();
    return dead;
  }
}

/** What every unit serves, in one line. */
export const contents = (rig: Rig): string => Object.values(rig.world.contents()).join(" ");
