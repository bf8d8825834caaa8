import process from "node:process";
import { inspect } from "node:util";
import { isLockstepError } from "@lockstep/plugin";
import { describe, expect, it } from "vitest";
import { type Direction, type FaultProxy, startFaultProxy } from "../fault-proxy.ts";
import { searchForSecrets } from "../secrets.ts";
import { TargetDriver } from "../target-driver.ts";
import type { TargetWorld } from "../target-world.ts";
import { type SeenStep } from "../test-run.ts";
import { type Fault, FAULTS, mustBeTrue, type Place, underFault, UNITS } from "./fault.ts";
import { judge, type MayMiss, strikeAt } from "./inconclusive.ts";
import { sampleOf } from "./sample.ts";

/** What is swept, and how much of it. */
export interface NetworkSweep {
  /** The server behind the proxy. */
  readonly upstream: { readonly host: string; readonly port: number };
  /** A world of its own for every position, whose target reaches the server at this address. */
  open(through: { readonly host: string; readonly port: number }): Promise<TargetWorld>;
  /** Positions for each fault, bytes and messages each; default 50 and all. */
  readonly positions?: number;
  readonly seed?: number;
  /** Positions at which the fault may never come; default none. */
  readonly mayMiss?: MayMiss;
  /** One line why a request cannot arrive twice, as where each connection has keys of its own. */
  readonly neverTwice?: string;
  /** Milliseconds after which a frozen connection is given up by the test; default 3,000. */
  readonly patienceMs?: number;
}

/**
 * Breaks the network at bytes and before messages all over a deploy: cuts it, loses what comes back, freezes it.
 * Each time users must get the old release or the new one and nothing else; the error is one of Lockstep, shows no
 * secret, and does not say that somebody else wrote; over a healed network the same steps lead on, putting back
 * leads to the old release, and a deploy to the new one. With a delay of 25 ms each way, and with every request
 * arriving twice, everything works as without.
 */
export function describeNetworkSweep(name: string, sweep: NetworkSweep): void {
  describe(`${name}, over a network that fails`, () => {
    const places = FAULTS.flatMap((fault) => UNITS.map((unit) => ({ fault, unit })));
    it.each(places)(
      "by a $fault at any $unit, is put right",
      { timeout: 3_600_000 },
      async (place) => {
        await expect(sweepFault(name, sweep, place)).resolves.toBeUndefined();
      },
    );

    it("slowly, works as over a fast one", { timeout: 120_000 }, async () => {
      await expect(thereAndBack(sweep, (proxy) => proxy.delay(25))).resolves.toBeUndefined();
    });

    it("with every request arriving twice, works as with one", { timeout: 120_000 }, async () => {
      await expect(sweepTwice(name, sweep)).resolves.toBeUndefined();
    });
  });
}

/** Repeats every request, where that can happen. Rejects when it shows. */
async function sweepTwice(name: string, sweep: NetworkSweep): Promise<void> {
  if (sweep.neverTwice === undefined) {
    await thereAndBack(sweep, (proxy) => proxy.repeat(true));
    return;
  }
  process.stdout.write(`${name}: requests that arrive twice: inconclusive: ${sweep.neverTwice}\n`);
}

/** Deploys over a network that is worse than most, and puts back. Rejects when that shows. */
export async function thereAndBack(
  sweep: NetworkSweep,
  worsen: (proxy: FaultProxy) => void,
): Promise<void> {
  await using proxy = await startFaultProxy(sweep.upstream);
  worsen(proxy);
  await using driver = await TargetDriver.connect(await sweep.open(proxy));
  await driver.world.build("one");
  await driver.deploy();
  const old = await driver.world.observe();
  await driver.world.build("two");
  const { steps } = await driver.deploy();

  expect(await driver.world.observe()).not.toEqual(old);
  expect(await driver.revert(steps)).not.toContain("conflict");
  expect(await driver.world.observe()).toEqual(old);
}

/** Breaks the network in one way at all positions. Rejects with what was wrong after one of them. */
export async function sweepFault(name: string, sweep: NetworkSweep, place: Place): Promise<void> {
  const { fault, unit } = place;
  await using proxy = await startFaultProxy(sweep.upstream);
  const { sizes, ends } = await measure(sweep, proxy);
  const direction = fault === "lost reply" ? "down" : "up";
  const size = sizes[unit][direction];
  const kills = sweep.positions ?? (unit === "byte" ? 50 : size);
  const positions = sampleOf(size, { kills, seed: sweep.seed ?? 0 });
  let struck = 0;
  const once = (at: number): Promise<boolean> => {
    const where = `${fault} at ${unit} ${at} ${direction} of ${size}`;
    return strike(sweep, { ...place, proxy, at, where, ends });
  };
  for (const at of positions) struck += (await strikeAt(at, sweep.mayMiss, once)) ? 1 : 0;
  const what = `${name}: ${fault} at ${positions.length} of ${size} ${unit}s ${direction}`;
  const tally = { what, tried: positions.length, struck };
  process.stdout.write(`${judge(tally, sweep.mayMiss)}\n`);
}

interface Ends {
  readonly old: unknown;
  readonly new: unknown;
}

type Size = Readonly<Record<Direction, number>>;

/** How much goes over the wire when a second release is staged and activated, and what users get before and after. */
async function measure(
  sweep: NetworkSweep,
  proxy: FaultProxy,
): Promise<{ readonly sizes: Readonly<Record<Place["unit"], Size>>; readonly ends: Ends }> {
  await using driver = await TargetDriver.connect(await sweep.open(proxy));
  const old = await ready(driver);
  const plan = await driver.plan();
  const before = { byte: { ...proxy.transferred }, message: { ...proxy.messages } };
  await driver.applyAll(plan);
  const sizes = {
    byte: growth(before.byte, proxy.transferred),
    message: growth(before.message, proxy.messages),
  };
  return { sizes, ends: { old, new: await driver.world.observe() } };
}

function growth(before: Size, after: Size): Size {
  return { up: after.up - before.up, down: after.down - before.down };
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

interface Strike extends Fault {
  readonly where: string;
  readonly ends: Ends;
}

/** False when the fault never came. */
async function strike(sweep: NetworkSweep, one: Strike): Promise<boolean> {
  const { proxy, where, ends } = one;
  await using driver = await TargetDriver.connect(await sweep.open(proxy));
  await ready(driver);
  const plan = await driver.plan();
  const seen: SeenStep[] = [];
  const { failed, isStruck } = await underFault(one, sweep.patienceMs ?? 3000, async (signal) => {
    driver.signal = signal;
    for (const phase of ["stage", "activate"] as const) {
      for (const step of await driver.inspect(plan, phase)) {
        seen.push(step);
        await driver.applyOne(step);
      }
    }
  });
  driver.signal = undefined;

  mustBeTrue(failed, where);
  searchForSecrets(driver.world, [driver.seen, inspect(failed, { depth: 10 })]);
  const possible = failed === undefined ? [ends.new] : [ends.old, ends.new];
  expect(possible, where).toContainEqual(await driver.world.observe());
  for (const step of seen) await onceMore(() => driver.applyOne(step));
  expect(await driver.revert(seen), where).not.toContain("conflict");
  expect(await driver.world.observe(), where).toEqual(ends.old);
  await driver.deploy();
  expect(await driver.world.observe(), where).toEqual(ends.new);
  return isStruck;
}

/** A fault that came with the very last bytes shows in the call after them; the runner makes that again, too. */
async function onceMore(call: () => Promise<unknown>): Promise<void> {
  await call().catch(async (error: unknown) => {
    if (!isLockstepError(error) || !error.retryable) throw error;
    await call();
  });
}
