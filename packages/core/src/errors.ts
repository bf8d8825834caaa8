import { type Live, LockstepError, type Problem } from "@lockstep/plugin";
import { closest, distance } from "fastest-levenshtein";
import type { Holder } from "./lease.ts";

/** A check answered, and the answer is not what was wanted. */
export function checkFailed(text: string, { wanted, found }: Answer): LockstepError {
  return new LockstepError({
    code: "CHECK_FAILED",
    message: `${text}: wanted ${wanted ?? "a pass"}, found ${found ?? "none"}.`,
    hint: "The new release does not do what the check asks for.",
  });
}

/** A check could not be measured. */
export function checkInconclusive(text: string, { found }: Answer): LockstepError {
  return new LockstepError({
    code: "CHECK_INCONCLUSIVE",
    message: `${text}: it could not be measured (${found ?? "no answer"}).`,
    hint: "`lockstep recover` puts everything back.",
  });
}

interface Answer {
  readonly wanted?: string;
  readonly found?: string;
}

/** The config file could not be evaluated. */
export function configBroken(file: string, cause: unknown): LockstepError {
  const reason = cause instanceof Error ? cause.message.split("\n", 1)[0] : String(cause);
  return new LockstepError({
    code: "CONFIG_BROKEN",
    message: `${file} could not be loaded: ${reason}`,
    hint: "Node runs this file as it is; it must be valid for `node FILE`, with types that can be stripped.",
    cause,
  });
}

/** The config was read and holds mistakes; all of them are listed. */
export function configInvalid(file: string, problems: readonly Problem[]): LockstepError {
  const lines = problems.map(
    (problem) => `  ${pathText(problem.path)}: ${problem.message}${suggestion(problem)}`,
  );
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  return new LockstepError({
    code: "CONFIG_INVALID",
    message: `${file} has ${count}:\n${lines.join("\n")}`,
  });
}

/** There is no config file. */
export function configMissing(folder: string, names: readonly string[]): LockstepError {
  return new LockstepError({
    code: "CONFIG_MISSING",
    message: `There is no ${names.join(", ")} in ${folder}.`,
    hint: "Go to the folder of the config, or name it with --config.",
  });
}

/** Somebody has to say yes. */
export function confirmationNeeded(environment: string): LockstepError {
  return new LockstepError({
    code: "CONFIRMATION_NEEDED",
    message: `Nobody confirmed the plan for ${environment}.`,
    hint: `Add -y; for a protected environment add --confirm ${environment}.`,
  });
}

/** The config has no such environment. */
export function environmentUnknown(name: string, names: readonly string[]): LockstepError {
  return new LockstepError({
    code: "ENVIRONMENT_UNKNOWN",
    message:
      name === ""
        ? "No environment is named."
        : `There is no environment ${name}.${nearest(name, names)}`,
    hint: `Use --env with one of: ${names.join(", ")}.`,
  });
}

/** A target carries a stamp that another store counted. */
export function foreignLineage(target: string, unit: string | undefined): LockstepError {
  return new LockstepError({
    code: "FOREIGN_LINEAGE",
    message: `${target}${unit === undefined ? "" : ` (${unit})`} was last deployed with another store.`,
    hint: "Use the store of the last deploy; or take the target over with --adopt, if no other runner deploys to it.",
    target,
    unit,
  });
}

/** Another process recovers or unlocked while this one thought it held the journal. */
export function runFenced(run: string): LockstepError {
  return new LockstepError({
    code: "RUN_FENCED",
    message: `Another process writes the journal of ${run}.`,
    hint: "It took over. Look at `lockstep status`.",
  });
}

/** Records of a run are damaged. */
export function journalUnreadable(
  run: string,
  seq: number,
  what: string,
  cause?: unknown,
): LockstepError {
  return new LockstepError({
    code: "JOURNAL_UNREADABLE",
    message: `Record ${seq} of the journal of ${run} ${what}.`,
    hint: "Nothing was changed. Look at every target with `lockstep status`.",
    cause,
  });
}

/** Somebody else deploys. */
export function leaseHeld(environment: string, holder: Holder): LockstepError {
  const page = holder.url === undefined ? "" : `, ${holder.url}`;
  return new LockstepError({
    code: "LEASE_HELD",
    message: `${environment} is held by run ${holder.run} of ${holder.user} on ${holder.machine}${page}, since ${holder.since}.`,
    hint: "Wait for it with --lock-wait 5m.",
    retryable: true,
  });
}

/** The lease went to somebody else while a run went on. */
export function leaseLost(environment: string, holder: Holder | undefined): LockstepError {
  const by =
    holder === undefined
      ? "another process"
      : `run ${holder.run} of ${holder.user} on ${holder.machine}`;
  return new LockstepError({
    code: "LEASE_LOST",
    message: `The lease of ${environment} was taken over by ${by}.`,
    hint: "Look at `lockstep status`: the other run decides now.",
  });
}

/** This Node cannot load a config. */
export function nodeTooOld(found: string): LockstepError {
  return new LockstepError({
    code: "NODE_TOO_OLD",
    message: `This is Node ${found}; Lockstep needs 22.18 or later, which loads TypeScript configs by itself.`,
    hint: "Install a newer Node, or add it to the project: npm i -D node@24",
  });
}

/** There is no earlier release to make live. */
export function nothingToReturnTo(environment: string, to: string | undefined): LockstepError {
  const message =
    to === undefined
      ? `${environment} has no earlier release to return to.`
      : `The history of ${environment} has no commit of release ${to}.`;
  return new LockstepError({
    code: "NOTHING_TO_RETURN_TO",
    message,
    hint: "`lockstep history` lists the releases.",
  });
}

/** An unfinished run stands in the way. */
export function openRun(environment: string, holder: Holder): LockstepError {
  return new LockstepError({
    code: "RUN_OPEN",
    message: `Run ${holder.run} of ${environment} was not finished; it began ${holder.since} (${holder.user} on ${holder.machine}).`,
    hint: `Run \`lockstep recover -e ${environment}\`: it finishes that run or puts everything back.`,
  });
}

/** A plugin planned what cannot be run. */
export function planBroken({
  target,
  step,
  what,
}: {
  target: string;
  step: string;
  what: string;
}): LockstepError {
  return new LockstepError({
    code: "PLAN_BROKEN",
    message: `The plan of ${target} cannot be run: step ${step} ${what}.`,
    hint: "This is a mistake in the plugin, or in the order of the targets.",
    target,
    step,
  });
}

/** The world moved between plan and lease. */
export function planStale(): LockstepError {
  return new LockstepError({
    code: "PLAN_STALE",
    message: "What the plan was made from has changed since: source or targets differ.",
    hint: "Nothing was changed. Plan again.",
  });
}

/** The plugin that is installed is not the one the run was made with. */
export function pluginChanged(
  target: string,
  wanted: { readonly plugin: string; readonly version: string },
  found: { readonly plugin: string; readonly version: string; readonly kind?: string },
): LockstepError {
  const lacks = found.kind === undefined ? "" : `, which has no ${found.kind}`;
  return new LockstepError({
    code: "PLUGIN_CHANGED",
    message: `${target} was planned by ${wanted.plugin} ${wanted.version}; installed is ${found.plugin} ${found.version}${lacks}.`,
    hint: `Install ${wanted.plugin}@${wanted.version}, then recover again.`,
    target,
  });
}

/** The plugin speaks another contract. */
export function pluginIncompatible(plugin: string, found: number, wanted: number): LockstepError {
  return new LockstepError({
    code: "PLUGIN_INCOMPATIBLE",
    message: `${plugin} speaks version ${found} of the plugin contract; this Lockstep speaks ${wanted}.`,
    hint: found > wanted ? "Update lockstep." : `Update ${plugin}.`,
  });
}

/** The config imports a package that is not installed. */
export function pluginMissing(name: string, cause: unknown): LockstepError {
  return new LockstepError({
    code: "PLUGIN_MISSING",
    message: `The config imports ${name}, which is not installed.`,
    hint: `npm i -D ${name}`,
    cause,
  });
}

/** Several targets or units could not be read. */
export function preflightFailed(errors: readonly unknown[]): unknown {
  if (errors.length === 1) return errors[0];
  return new AggregateError(errors, `${errors.length} units could not be read.`);
}

/** Targets could not be fenced, so nothing was staged. */
export function notFenced(errors: readonly unknown[]): unknown {
  return errors.length === 1
    ? errors[0]
    : new AggregateError(errors, "Several targets could not be fenced.");
}

/** What the config says now is not what the run was made for. */
export function recoverDiffers(
  target: string,
  { wanted, found }: { readonly wanted: string; readonly found: string },
): LockstepError {
  return new LockstepError({
    code: "RECOVER_DIFFERS",
    message: `The run went to ${target} at ${wanted}; the config now says ${found}.`,
    hint: "Recover with the config of that run, then change it.",
    target,
  });
}

/** A release that is to be live again is not kept any more. */
export function refGone(target: string, { unit, ref }: Live): LockstepError {
  return new LockstepError({
    code: "RELEASE_GONE",
    message: `${target}${unit === undefined ? "" : ` (${unit})`} no longer keeps ${JSON.stringify(ref)}.`,
    hint: "Roll back to a later release, or deploy that commit again.",
    target,
    unit,
  });
}

/** A run was found unfinished and is put back. */
export function runInterrupted(run: string): LockstepError {
  return new LockstepError({
    code: "RUN_INTERRUPTED",
    message: `Run ${run} was interrupted before its decision.`,
    hint: "It is put back.",
  });
}

/** The run that is to be recovered is not the open one. */
export function runNotOpen(run: string, open: string | undefined): LockstepError {
  return new LockstepError({
    code: "RUN_NOT_OPEN",
    message: `Run ${run} is not open; ${open === undefined ? "no run is" : `the last one is ${open}`}.`,
    hint: "`lockstep history` lists the runs.",
  });
}

/** A call did not end in its time. */
export function stepTimedOut(timeoutMs: number): LockstepError {
  return new LockstepError({
    code: "STEP_TIMED_OUT",
    message: `It did not end within ${timeoutMs / 1000} s; what it did is unknown.`,
    hint: "The target is looked at before anything else is done.",
  });
}

/** A key that no store may be asked for. */
export function storeKeyInvalid(key: string): LockstepError {
  return new LockstepError({
    code: "STORE_KEY_INVALID",
    message: `A store has no key ${JSON.stringify(key.slice(0, 80))}.`,
    hint: "Keys are words of letters, digits, dot, dash and underscore, joined by slashes.",
  });
}

/** The store did not answer, or refused. */
export function storeUnreachable(place: string, cause: unknown): LockstepError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new LockstepError({
    code: "STORE_UNREACHABLE",
    message: `The store ${place} could not be used: ${reason}`,
    hint: "Lease, journal and history are kept there; nothing can be deployed without it.",
    cause,
  });
}

/** A target of an open run is not in the config. */
export function targetGone(target: string, run: string): LockstepError {
  return new LockstepError({
    code: "TARGET_GONE",
    message: `Run ${run} deployed to ${target}, which the config does not have any more.`,
    hint: "Recover with the config of that run, then change it.",
    target,
  });
}

/** The environment has no such target. */
export function targetUnknown(name: string, names: readonly string[]): LockstepError {
  return new LockstepError({
    code: "TARGET_UNKNOWN",
    message: `There is no target ${name}.${nearest(name, names)}`,
    hint: `Targets are: ${names.join(", ")}.`,
  });
}

/** ` Did you mean "region"?`, or nothing when no name is near. */
export function nearest(word: string, names: readonly string[]): string {
  if (names.length === 0) return "";
  const best = closest(word, [...names]);
  return distance(word, best) <= Math.max(2, word.length / 3) ? ` Did you mean "${best}"?` : "";
}

function suggestion({ unknownKey, known = [] }: Problem): string {
  return unknownKey === undefined ? "" : nearest(unknownKey, known);
}

/** `environments.production.targets.web.hosts[0]` */
function pathText(path: Problem["path"]): string {
  return path.reduce<string>(
    (text, key) =>
      typeof key === "number" ? `${text}[${key}]` : `${text}${text === "" ? "" : "."}${key}`,
    "",
  );
}
