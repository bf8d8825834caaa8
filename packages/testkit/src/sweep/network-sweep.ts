import process from "node:process";
import { isLockstepError, LockstepError } from "@lockstep/plugin";
import { describe, expect, it } from "vitest";
import { type FaultProxy, startFaultProxy } from "../fault-proxy.ts";
import { type SeenStep, TargetDriver, type TargetWorld } from "../target-driver.ts";
import { sampleOf } from "./sample.ts";

/** What the network does at a position; `lost reply` lets all through to the server, and nothing back. */
const FAULTS = ["cut", "lost reply", "freeze"] as const;

/** What is swept, and how much of it. */
export interface NetworkSweep {
  /** The server behind the proxy. */
  readonly upstream: { readonly host: string; readonly port: number };
  /** A world of its own for every position, whose target reaches the server at this address. */
  open(through: { readonly host: string; readonly port: number }): Promise<TargetWorld>;
  /** Positions for each fault; default 50. */
  readonly positions?: number;
  readonly seed?: number;
  /** Milliseconds after which a frozen connection is given up by the test; default 3,000. */
  readonly patienceMs?: number;
}

/**
 * Breaks the network at positions all over a deploy: cuts it, loses what comes back, freezes it. Each time users
 * must get the old release or the new one and nothing else; the error is one of Lockstep; over a healed network
 * the same steps lead on, putting back leads to the old release, and a deploy to the new one. With a delay of
 * 25 ms each way everything works as without.
 *
 * TCP neither loses, repeats nor reorders what it delivers, so those faults have no test.
 */
export function describeNetworkSweep(name: string, sweep: NetworkSweep): void {
  describe(`${name}, over a network that fails`, () => {
    it.each(FAULTS)("by a %s anywhere, is put right", { timeout: 3_600_000 }, async (fault) => {
      await expect(sweepFault(name, sweep, fault)).resolves.toBeUndefined();
    });

    it("slowly, works as over a fast one", { timeout: 120_000 }, async () => {
      await using proxy = await startFaultProxy(sweep.upstream);
      await using driver = await TargetDriver.connect(await sweep.open(proxy));
      proxy.delay(25);
      await driver.world.build("one");
      await driver.deploy();
      const old = await driver.world.observe();
      await driver.world.build("two");
      const { steps } = await driver.deploy();

      expect(await driver.world.observe()).not.toEqual(old);
      expect(await driver.revert(steps)).not.toContain("conflict");
      expect(await driver.world.observe()).toEqual(old);
    });
  });
}

/** Breaks the network in one way at all positions. Rejects with what was wrong after one of them. */
export async function sweepFault(
  name: string,
  sweep: NetworkSweep,
  fault: (typeof FAULTS)[number],
): Promise<void> {
  await using proxy = await startFaultProxy(sweep.upstream);
  const size = await sizeOf(sweep, proxy);
  const direction = fault === "lost reply" ? "down" : "up";
  const positions = sampleOf(size[direction], {
    kills: sweep.positions ?? 50,
    seed: sweep.seed ?? 0,
  });
  let struck = 0;
  for (const at of positions) {
    const where = `${fault} at byte ${at} ${direction} of ${size[direction]}`;
    struck += (await strike(sweep, { proxy, fault, at, where, ends: size })) ? 1 : 0;
  }
  process.stdout.write(
    `${name}: ${fault} at ${positions.length} of ${size[direction]} bytes, ${struck} struck\n`,
  );

  expect(struck).toBeGreaterThanOrEqual(Math.ceil(positions.length * 0.8));
}

interface Ends {
  readonly old: unknown;
  readonly new: unknown;
}

/** Bytes of staging and activating a second release, and what users get before and after. */
async function sizeOf(
  sweep: NetworkSweep,
  proxy: FaultProxy,
): Promise<Ends & { readonly up: number; readonly down: number }> {
  await using driver = await TargetDriver.connect(await sweep.open(proxy));
  const old = await ready(driver);
  const plan = await driver.plan();
  const before = { ...proxy.transferred };
  for (const phase of ["stage", "activate"] as const) await driver.apply(plan, phase);
  const { up, down } = proxy.transferred;
  return { up: up - before.up, down: down - before.down, old, new: await driver.world.observe() };
}

/** Release one is live, two is built, and its run has begun. */
async function ready(driver: TargetDriver): Promise<unknown> {
  await driver.world.build("one");
  await driver.deploy();
  const old = await driver.world.observe();
  await driver.world.build("two");
  driver.begin();
  await driver.fence();
  return old;
}

interface Strike {
  readonly proxy: FaultProxy;
  readonly fault: (typeof FAULTS)[number];
  readonly at: number;
  readonly where: string;
  readonly ends: Ends;
}

/** False when the deploy was through before the fault came. */
async function strike(
  sweep: NetworkSweep,
  { proxy, fault, at, where, ends }: Strike,
): Promise<boolean> {
  await using driver = await TargetDriver.connect(await sweep.open(proxy));
  await ready(driver);
  const plan = await driver.plan();
  const seen: SeenStep[] = [];
  const failed = await underFault({ proxy, fault, at }, sweep, async (signal) => {
    driver.signal = signal;
    for (const phase of ["stage", "activate"] as const) {
      for (const step of await driver.inspect(plan, phase)) {
        seen.push(step);
        await driver.applyOne(step);
      }
    }
  });
  driver.signal = undefined;

  if (failed !== undefined && !isLockstepError(failed)) {
    throw new Error(`${where}: the error is none of Lockstep`, { cause: failed });
  }
  const possible = failed === undefined ? [ends.new] : [ends.old, ends.new];
  expect(possible, where).toContainEqual(await driver.world.observe());
  for (const step of seen) await driver.applyOne(step);
  expect(await driver.revert(seen), where).not.toContain("conflict");
  expect(await driver.world.observe(), where).toEqual(ends.old);
  await driver.deploy();
  expect(await driver.world.observe(), where).toEqual(ends.new);
  return failed !== undefined;
}

/** What the runner tells a step whose time is over. */
const OUT_OF_TIME = new LockstepError({
  code: "STEP_TIMED_OUT",
  message: "It did not end within its time.",
});

/** What the body failed with, while the network had that fault; the network is whole afterwards. */
async function underFault(
  { proxy, fault, at }: Pick<Strike, "proxy" | "fault" | "at">,
  { patienceMs = 3000 }: NetworkSweep,
  body: (signal: AbortSignal) => Promise<void>,
): Promise<unknown> {
  const stop = new AbortController();
  const begun = proxy.transferred.up;
  if (fault !== "freeze") proxy.cutAfter(fault === "cut" ? "up" : "down", at);
  const watch = setInterval(() => {
    if (fault !== "freeze" || proxy.transferred.up - begun < at) return;
    proxy.freeze();
    clearInterval(watch);
    setTimeout(() => stop.abort(OUT_OF_TIME), patienceMs).unref();
  }, 1);
  try {
    await body(stop.signal);
    return undefined;
  } catch (error) {
    return error;
  } finally {
    clearInterval(watch);
    proxy.thaw();
    proxy.heal();
  }
}
