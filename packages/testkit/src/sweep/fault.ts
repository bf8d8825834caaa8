import { isLockstepError, LockstepError } from "@lockstep/plugin";
import { codeOf, failureOf } from "../claims.ts";
import type { FaultProxy } from "../fault-proxy.ts";

/** What the network does at a position; `lost reply` lets all through to the server, and nothing back. */
export const FAULTS = ["cut", "lost reply", "freeze"] as const;

/**
 * Where it does so: inside of messages too, or just before one. A message is all that goes one way until something
 * goes the other way.
 */
export const UNITS = ["byte", "message"] as const;

/** What a plugin may say only when somebody else wrote: a broken network is no reason. */
const NOT_THE_NETWORK = ["STEP_CONFLICT", "FENCED", "SOURCE_CHANGED"];

/** A fault and where it comes. */
export interface Place {
  readonly fault: (typeof FAULTS)[number];
  readonly unit: (typeof UNITS)[number];
}

/** A fault that comes once so many bytes or messages went through a proxy. */
export interface Fault extends Place {
  readonly proxy: FaultProxy;
  readonly at: number;
}

/** Rejects when an error is not of Lockstep, or blames somebody else for what the network did. */
export function mustBeTrue(failed: unknown, where: string): void {
  if (failed === undefined) return;
  const told = { cause: failed };
  if (!isLockstepError(failed)) throw new Error(`${where}: the error is none of Lockstep`, told);
  const code = codeOf(failed) ?? "";
  if (NOT_THE_NETWORK.includes(code)) {
    throw new Error(`${where}: ${code}, although nobody else wrote`, told);
  }
}

/** What the runner tells a step whose time is over. */
const OUT_OF_TIME = new LockstepError({
  code: "STEP_TIMED_OUT",
  message: "It did not end within its time.",
});

/** What the body failed with, while the network had that fault; the network is whole afterwards. */
export async function underFault(
  { proxy, fault, unit, at }: Fault,
  patienceMs: number,
  body: (signal: AbortSignal) => Promise<void>,
): Promise<{ readonly failed: unknown; readonly isStruck: boolean }> {
  const stop = new AbortController();
  const passed = unit === "byte" ? proxy.transferred : proxy.messages;
  const begun = passed.up;
  const { cuts } = proxy;
  let isFrozen = false;
  const direction = fault === "cut" ? "up" : "down";
  if (fault !== "freeze" && unit === "byte") proxy.cutAfter(direction, at);
  if (fault !== "freeze" && unit === "message") proxy.cutBeforeMessage(direction, at);
  const watch = setInterval(() => {
    if (fault !== "freeze" || passed.up - begun < at) return;
    proxy.freeze();
    isFrozen = true;
    clearInterval(watch);
    setTimeout(() => stop.abort(OUT_OF_TIME), patienceMs).unref();
  }, 1);
  try {
    const failed = await failureOf(() => body(stop.signal));
    return { failed, isStruck: isFrozen || proxy.cuts > cuts };
  } finally {
    clearInterval(watch);
    proxy.thaw();
    proxy.heal();
  }
}
