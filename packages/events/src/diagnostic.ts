import { isLockstepError } from "@lockstep/plugin";
import type { Diagnostic } from "./events.ts";

/** Exit codes: they say what production is like. */
export const EXIT = {
  done: 0,
  bug: 1,
  usage: 2,
  plugin: 20,
  preflight: 21,
  stale: 22,
  locked: 23,
  confirmation: 24,
  openRun: 25,
  failedBeforeActivation: 30,
  rolledBack: 31,
  human: 32,
  parked: 33,
  inconclusive: 34,
  fenced: 35,
  changesPending: 40,
  drift: 41,
  interrupted: 130,
} as const;

/** Exit codes of errors raised before a run began; every other LockstepError is a failed preflight. */
const EXIT_OF_CODE: Readonly<Record<string, number>> = {
  CONFIG_BROKEN: EXIT.usage,
  CONFIG_INVALID: EXIT.usage,
  CONFIG_MISSING: EXIT.usage,
  NODE_TOO_OLD: EXIT.usage,
  ENVIRONMENT_UNKNOWN: EXIT.usage,
  TARGET_UNKNOWN: EXIT.usage,
  RUN_NOT_OPEN: EXIT.usage,
  UNIT_UNKNOWN: EXIT.usage,
  CODE_UNKNOWN: EXIT.usage,
  PLAN_UNREADABLE: EXIT.usage,
  USAGE: EXIT.usage,
  UNEXPECTED: EXIT.bug,
  PLAN_BROKEN: EXIT.plugin,
  PLUGIN_CHANGED: EXIT.plugin,
  PLUGIN_INCOMPATIBLE: EXIT.plugin,
  PLUGIN_MISSING: EXIT.plugin,
  PLAN_ALTERED: EXIT.stale,
  PLAN_STALE: EXIT.stale,
  RECOVER_DIFFERS: EXIT.stale,
  RELEASE_DIFFERS: EXIT.stale,
  SOURCE_CHANGED: EXIT.stale,
  TARGET_GONE: EXIT.stale,
  LEASE_HELD: EXIT.locked,
  NEWER_IS_LIVE: EXIT.locked,
  RELEASE_QUARANTINED: EXIT.locked,
  CONFIRMATION_NEEDED: EXIT.confirmation,
  RECOVER_REFUSED: EXIT.openRun,
  RUN_OPEN: EXIT.openRun,
  FENCED: EXIT.fenced,
  LEASE_LOST: EXIT.fenced,
  RUN_FENCED: EXIT.fenced,
};

/** The exit code for an error that a command rejected with: nothing was changed on any target. */
export function exitOf(error: unknown): number {
  const [first] = leavesOf(error);
  return isLockstepError(first) ? (EXIT_OF_CODE[first.code] ?? EXIT.preflight) : EXIT.bug;
}

/** The single failures behind an error, the first one first. */
export function leavesOf(error: unknown): readonly unknown[] {
  return error instanceof AggregateError ? error.errors.flatMap(leavesOf) : [error];
}

/** The one failure itself, or all of several. */
export function together(errors: readonly unknown[], message: string): Error {
  const [first] = errors;
  return errors.length === 1 && first instanceof Error
    ? first
    : new AggregateError(errors, message);
}

/** Another run took over: this one must not touch anything any more. */
export function isFenced(error: unknown): boolean {
  return hasCode(error, ["FENCED", "LEASE_LOST", "RUN_FENCED"]);
}

/** Nothing can be written down any more. */
export function isStoreLost(error: unknown): boolean {
  return hasCode(error, ["STORE_UNREACHABLE"]);
}

/** A check could not be measured. */
export function isInconclusive(error: unknown): boolean {
  return hasCode(error, ["CHECK_INCONCLUSIVE"]);
}

/** The same call may succeed if it is repeated. */
export function isRetryable(error: unknown): boolean {
  return isLockstepError(error) && error.retryable;
}

/** An error as events, journal and JSON output show it; others than ours are bugs. */
export function toDiagnostic(
  error: unknown,
  severity: Diagnostic["severity"] = "error",
): Diagnostic {
  if (!isLockstepError(error)) {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return { severity, code: "UNEXPECTED", message };
  }
  const { code, message, hint, target, unit, step } = error;
  return { severity, code, message, hint, target, unit, step };
}

function hasCode(error: unknown, codes: readonly string[]): boolean {
  return leavesOf(error).some((leaf) => isLockstepError(leaf) && codes.includes(leaf.code));
}
