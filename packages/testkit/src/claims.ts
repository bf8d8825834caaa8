import { isDeepStrictEqual } from "node:util";
import { isLockstepError } from "@lockstep/plugin";

/** One promise of the contract: a sentence, and a function that rejects when it does not hold. */
export interface Claim<World> {
  readonly title: string;
  holds(world: World): Promise<void>;
}

/** Longest time, in milliseconds, for one promise: real servers are slow where many suites share a machine. */
export const CLAIM_TIMEOUT_MS = 60_000;

/** Rejects with `message` when two values differ. */
export function mustEqual(found: unknown, wanted: unknown, message: string): void {
  if (isDeepStrictEqual(plain(found), plain(wanted))) return;
  throw new Error(`${message}\n  wanted: ${show(wanted)}\n  found:  ${show(found)}`);
}

/** Rejects with `message` when it does not hold. */
export function must(holds: boolean, message: string): void {
  if (!holds) throw new Error(message);
}

/** Rejects unless the call fails with the code. */
export async function mustFail(
  code: string,
  call: () => Promise<unknown>,
  message: string,
): Promise<void> {
  const error = await call().then(
    () => undefined,
    (reason: unknown) => reason ?? new Error("undefined"),
  );
  const found = isLockstepError(error) ? error.code : error;
  if (found !== code)
    throw new Error(`${message}: wanted ${code}, found ${show(found)}`, { cause: error });
}

/** What is left of a value after JSON: what the journal keeps of it. */
export function throughJournal<T>(value: T): T {
  return plain(value) as T;
}

function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

function show(value: unknown): string {
  return value instanceof Error ? String(value) : JSON.stringify(value);
}
