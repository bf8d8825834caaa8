import { type ErrorFields, type Live, LockstepError, type Problem } from "@lockstep/plugin";
import { closest, distance } from "fastest-levenshtein";
import { coreErrors } from "./catalogue.ts";
import type { Holder } from "./surroundings.ts";

/** What to do is in the catalogue, unless a failure can say it better with the names at hand. */
function raise(code: string, message: string, more: Partial<ErrorFields> = {}): LockstepError {
  return new LockstepError({ code, message, hint: coreErrors[code]?.fix, ...more });
}

interface Answer {
  readonly wanted?: string;
  readonly found?: string;
}

/** A check answered, and the answer is not what was wanted. */
export function checkFailed(text: string, { wanted, found }: Answer): LockstepError {
  return raise("CHECK_FAILED", `${text}: wanted ${wanted ?? "a pass"}, found ${found ?? "none"}.`);
}

/** A check could not be measured. */
export function checkInconclusive(text: string, { found = "no answer" }: Answer): LockstepError {
  return raise("CHECK_INCONCLUSIVE", `${text}: it could not be measured (${found}).`);
}

/** The config file could not be evaluated. */
export function configBroken(file: string, cause: unknown): LockstepError {
  const reason = cause instanceof Error ? cause.message.split("\n", 1)[0] : String(cause);
  return raise("CONFIG_BROKEN", `${file} could not be loaded: ${reason}`, { cause });
}

/** The config was read and holds mistakes; all of them are listed. */
export function configInvalid(file: string, problems: readonly Problem[]): LockstepError {
  const lines = problems.map(
    ({ path, message, unknownKey, known = [] }) =>
      `  ${pathText(path)}: ${message}${unknownKey === undefined ? "" : nearest(unknownKey, known)}`,
  );
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  return raise("CONFIG_INVALID", `${file} has ${count}:\n${lines.join("\n")}`, { hint: undefined });
}

/** There is no config file. */
export function configMissing(folder: string, names: readonly string[]): LockstepError {
  return raise("CONFIG_MISSING", `There is no ${names.join(", ")} in ${folder}.`);
}

/** Somebody has to say yes. */
export function confirmationNeeded(environment: string): LockstepError {
  const hint = `Add -y; for a protected environment add --confirm ${environment}.`;
  return raise("CONFIRMATION_NEEDED", `Nobody confirmed the plan for ${environment}.`, { hint });
}

/** The config has no such environment. */
export function environmentUnknown(name: string, names: readonly string[]): LockstepError {
  const message =
    name === ""
      ? "No environment is named."
      : `There is no environment ${name}.${nearest(name, names)}`;
  const hint = `Use --env with one of: ${names.join(", ")}.`;
  return raise("ENVIRONMENT_UNKNOWN", message, { hint });
}

/** A target carries a stamp that another store counted. */
export function foreignLineage(target: string, unit: string | undefined): LockstepError {
  const what = `${target}${unit === undefined ? "" : ` (${unit})`}`;
  const message = `${what} was last deployed with another store.`;
  return raise("FOREIGN_LINEAGE", message, { target, unit });
}

/** Records of a run are damaged. */
export function journalUnreadable(
  run: string,
  { seq, what, cause }: { readonly seq: number; readonly what: string; readonly cause?: unknown },
): LockstepError {
  const message = `Record ${seq} of the journal of ${run} ${what}.`;
  return raise("JOURNAL_UNREADABLE", message, { cause });
}

/** Somebody else deploys. */
export function leaseHeld(environment: string, holder: Holder): LockstepError {
  const message = `${environment} is held by run ${nameOf(holder)}, since ${holder.since}.`;
  return raise("LEASE_HELD", message, { retryable: true });
}

/** The lease went to somebody else while a run went on. */
export function leaseLost(environment: string, holder: Holder | undefined): LockstepError {
  const by = holder === undefined ? "another process" : `run ${nameOf(holder)}`;
  return raise("LEASE_LOST", `The lease of ${environment} was taken over by ${by}.`);
}

/** This Node cannot load a config. */
export function nodeTooOld(found: string): LockstepError {
  return raise("NODE_TOO_OLD", `This is Node ${found}; Lockstep needs 22.18 or later.`);
}

/** There is no earlier release to make live. */
export function nothingToReturnTo(environment: string, to: string | undefined): LockstepError {
  const message =
    to === undefined
      ? `${environment} has no earlier release to return to.`
      : `The history of ${environment} has no commit of release ${to}.`;
  return raise("NOTHING_TO_RETURN_TO", message);
}

/** An unfinished run stands in the way. */
export function openRun(environment: string, holder: Holder): LockstepError {
  const message = `Run ${nameOf(holder)} was not finished; it began ${holder.since}.`;
  const hint = `Run \`lockstep recover -e ${environment}\`: it finishes that run or puts everything back.`;
  return raise("RUN_OPEN", message, { hint });
}

/** A plugin planned what cannot be run. */
export function planBroken({
  target,
  step,
  what,
}: {
  readonly target: string;
  readonly step: string;
  readonly what: string;
}): LockstepError {
  const message = `The plan of ${target} cannot be run: step ${step} ${what}.`;
  return raise("PLAN_BROKEN", message, { target, step });
}

/** The world moved between plan and lease. */
export function planStale(): LockstepError {
  return raise("PLAN_STALE", "What the plan was made from has changed: source or targets differ.");
}

interface PluginVersion {
  readonly plugin: string;
  readonly version: string;
}

/** The plugin that is installed is not the one the run was made with. */
export function pluginChanged(
  target: string,
  wanted: PluginVersion,
  found: PluginVersion & { readonly kind?: string },
): LockstepError {
  const lacks = found.kind === undefined ? "" : `, which has no ${found.kind}`;
  const installed = `installed is ${found.plugin} ${found.version}${lacks}`;
  const message = `${target} was planned by ${wanted.plugin} ${wanted.version}; ${installed}.`;
  return raise("PLUGIN_CHANGED", message, { target });
}

/** The plugin speaks another contract. */
export function pluginIncompatible(plugin: string, found: number, wanted: number): LockstepError {
  const message = `${plugin} speaks version ${found} of the plugin contract; this Lockstep speaks ${wanted}.`;
  return raise("PLUGIN_INCOMPATIBLE", message);
}

/** The config imports a package that is not installed. */
export function pluginMissing(name: string, cause: unknown): LockstepError {
  const message = `The config imports ${name}, which is not installed.`;
  return raise("PLUGIN_MISSING", message, { hint: `npm i -D ${name}`, cause });
}

/** The one failure itself, or all of several. */
export function together(errors: readonly unknown[], message: string): Error {
  const [first] = errors;
  return errors.length === 1 && first instanceof Error
    ? first
    : new AggregateError(errors, message);
}

/** What the config says now is not what the run was made for. */
export function recoverDiffers(
  target: string,
  { wanted, found }: { readonly wanted: string; readonly found: string },
): LockstepError {
  const message = `The run went to ${target} at ${wanted}; the config now says ${found}.`;
  return raise("RECOVER_DIFFERS", message, { target });
}

/** A release that is to be live again is not kept any more. */
export function refGone(target: string, { unit, ref }: Live): LockstepError {
  const what = `${target}${unit === undefined ? "" : ` (${unit})`}`;
  const message = `${what} no longer keeps ${JSON.stringify(ref)}.`;
  return raise("RELEASE_GONE", message, { target, unit });
}

/** Another process recovers or unlocked while this one thought it held the journal. */
export function runFenced(run: string): LockstepError {
  return raise("RUN_FENCED", `Another process writes the journal of ${run}.`);
}

/** A run was found unfinished and is put back. */
export function runInterrupted(run: string): LockstepError {
  return raise("RUN_INTERRUPTED", `Run ${run} was interrupted before its decision.`);
}

/** The run that is to be recovered is not the open one. */
export function runNotOpen(run: string, open: string | undefined): LockstepError {
  const other = open === undefined ? "no run is" : `the last one is ${open}`;
  return raise("RUN_NOT_OPEN", `Run ${run} is not open; ${other}.`);
}

/** Somebody asked the run to stop. */
export function runStopped(): LockstepError {
  return raise("RUN_STOPPED", "The run was told to stop.");
}

/** A call did not end in its time. */
export function stepTimedOut(timeoutMs: number): LockstepError {
  const message = `It did not end within ${timeoutMs / 1000} s, or when told to; what it did is unknown.`;
  return raise("STEP_TIMED_OUT", message);
}

/** A key that no store may be asked for. */
export function storeKeyInvalid(key: string): LockstepError {
  return raise("STORE_KEY_INVALID", `A store has no key ${JSON.stringify(key.slice(0, 80))}.`);
}

/** The store did not answer, or refused. */
export function storeUnreachable(place: string, cause: unknown): LockstepError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const message = `The store ${place} could not be used: ${reason}`;
  return raise("STORE_UNREACHABLE", message, { cause });
}

/** A target of an open run is not in the config. */
export function targetGone(target: string, run: string): LockstepError {
  const message = `Run ${run} deployed to ${target}, which the config does not have any more.`;
  return raise("TARGET_GONE", message, { target });
}

/** The environment has no such target. */
export function targetUnknown(name: string, names: readonly string[]): LockstepError {
  const hint = `Targets are: ${names.join(", ")}.`;
  return raise("TARGET_UNKNOWN", `There is no target ${name}.${nearest(name, names)}`, { hint });
}

/** ` Did you mean "region"?`, or nothing when no name is near. */
export function nearest(word: string, names: readonly string[]): string {
  if (names.length === 0) return "";
  const best = closest(word, [...names]);
  return distance(word, best) <= Math.max(2, word.length / 3) ? ` Did you mean "${best}"?` : "";
}

function nameOf({ run, user, machine, url }: Holder): string {
  return `${run} (${user} on ${machine}${url === undefined ? "" : `, ${url}`})`;
}

/** `environments.production.targets.web.hosts[0]` */
function pathText(path: Problem["path"]): string {
  const parts = path.map((key) => (typeof key === "number" ? `[${key}]` : `.${key}`));
  return parts.join("").replace(/^\./, "");
}
