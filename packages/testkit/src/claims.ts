import process from "node:process";
import { isDeepStrictEqual } from "node:util";
import { isLockstepError } from "@lockstep/plugin";
import type { TestContext } from "vitest";

/** One promise of the contract: a sentence, and a function that rejects when it does not hold. */
export interface Claim<World> {
  readonly title: string;
  /** Why this world cannot show whether the promise is kept; undefined when it can. */
  untried?(world: World): string | undefined;
  holds(world: World): Promise<void>;
}

/** Tries a promise in a test; where there is nothing to try, the report of the test and stdout say why. */
export async function tryClaim<World>(
  { title, untried, holds }: Claim<World>,
  world: World,
  { annotate }: Pick<TestContext, "annotate">,
): Promise<void> {
  const why = untried?.(world);
  if (why === undefined) {
    await holds(world);
    return;
  }
  const text = `inconclusive: ${title}: ${why}`;
  process.stdout.write(`${text}\n`);
  await annotate(text, "notice");
}

/** Changes what a plugin changed to a value of its own, as somebody else would; or says why nobody can. */
export type ForeignEdit = (() => Promise<void>) | string;

/** Why nobody else can change this world; undefined when somebody can, or when the world does not say. */
export function withoutForeignEdit({ foreignEdit }: Editable): string | undefined {
  return typeof foreignEdit === "string" ? foreignEdit : undefined;
}

/** Somebody else changes the world. */
export async function editByHand({ foreignEdit }: Editable): Promise<void> {
  if (typeof foreignEdit !== "function") {
    throw new Error("the world has no foreignEdit and does not say why");
  }
  await foreignEdit();
}

interface Editable {
  readonly foreignEdit?: ForeignEdit;
}

/** Longest time, in milliseconds, for one promise: real servers are slow where many suites share a machine. */
export const CLAIM_TIMEOUT_MS = 60_000;

/** Rejects with `message` when two values differ. */
export function mustEqual(found: unknown, wanted: unknown, message: string): void {
  if (isSame(found, wanted)) return;
  const [left, right] = [show(wanted), show(found)];
  const from = Math.max(0, firstDifference(left, right) - SHOWN_BEFORE);
  throw new Error(`${message}\n  wanted: ${part(left, from)}\n  found:  ${part(right, from)}`);
}

/** Rejects with `message` when it does not hold. */
export function must(holds: boolean, message: string): void {
  if (!holds) throw new Error(message);
}

/** Rejects unless the call fails with the code; an AggregateError counts when all its errors do. */
export async function mustFail(
  code: string,
  call: () => Promise<unknown>,
  message: string,
): Promise<void> {
  const error = await failureOf(call);
  const leaves: readonly unknown[] = error instanceof AggregateError ? error.errors : [error];
  if (leaves.length > 0 && leaves.every((leaf) => codeOf(leaf) === code)) return;
  const found = leaves.map((leaf) => codeOf(leaf) ?? show(leaf)).join(", ");
  throw new Error(`${message}: wanted ${code}, found ${found}`, { cause: error });
}

/** What a call rejects with; undefined when it resolves. */
export async function failureOf(call: () => Promise<unknown>): Promise<Error | undefined> {
  return call().then(
    () => undefined,
    (reason: unknown) => (reason instanceof Error ? reason : new Error(String(reason))),
  );
}

/** The code of an error of ours. */
export function codeOf(error: unknown): string | undefined {
  return isLockstepError(error) ? error.code : undefined;
}

/** Tells whether JSON keeps all of a value; absent keys may be `undefined`. */
export function isPlain(value: unknown): boolean {
  if (value === null || typeof value === "string" || typeof value === "boolean") return true;
  if (typeof value === "number") return Number.isFinite(value);
  if (Array.isArray(value)) return value.every((item) => isPlain(item));
  if (typeof value !== "object" || Object.getPrototypeOf(value) !== Object.prototype) return false;
  return Object.values(value).every((item) => item === undefined || isPlain(item));
}

/** Tells whether two values are the same after JSON. */
export function isSame(left: unknown, right: unknown): boolean {
  return isDeepStrictEqual(plain(left), plain(right));
}

/** What is left of a value after JSON: what the journal keeps of it. */
export function throughJournal<T>(value: T): T {
  return plain(value) as T;
}

function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

function show(value: unknown): string {
  if (typeof value === "string" || value instanceof Error) return String(value);
  return value === undefined ? "nothing" : JSON.stringify(value);
}

/** Characters shown of a long value: before its first difference, and in all. */
const SHOWN_BEFORE = 100;
const SHOWN = 600;

function part(text: string, from: number): string {
  const end = from + SHOWN;
  return `${from > 0 ? "…" : ""}${text.slice(from, end)}${text.length > end ? "…" : ""}`;
}

function firstDifference(left: string, right: string): number {
  let at = 0;
  while (at < left.length && left[at] === right[at]) at += 1;
  return at;
}
