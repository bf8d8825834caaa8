import { nearest } from "@lockstep/config";
import { type Json, type Live, type LockstepError, raising } from "@lockstep/plugin";
import { type Difference, type HistoryEntry } from "@lockstep/state";
import { coreErrors } from "./catalogue.ts";

const raise = raising(coreErrors);

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

/** Somebody has to say yes. */
export function confirmationNeeded(environment: string): LockstepError {
  const hint = `Add -y; for a protected environment add --confirm ${environment}.`;
  return raise("CONFIRMATION_NEEDED", `Nobody confirmed the plan for ${environment}.`, { hint });
}

/** There is no earlier release to make live. */
export function nothingToReturnTo(environment: string, to: string | undefined): LockstepError {
  const message =
    to === undefined
      ? `${environment} has no earlier release to return to.`
      : `The history of ${environment} has no commit of release ${to}.`;
  return raise("NOTHING_TO_RETURN_TO", message);
}

/** A plugin planned what cannot be run. */
export function planBroken(target: string, step: string, what: string): LockstepError {
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

/** What the config says now is not what the run was made for. */
export function recoverDiffers(target: string, wanted: string, found: string): LockstepError {
  const message = `The run went to ${target} at ${wanted}; the config now says ${found}.`;
  return raise("RECOVER_DIFFERS", message, { target });
}

/** A release that is to be live again is not kept any more. */
export function refGone(target: string, { unit, ref }: Live): LockstepError {
  const what = `${target}${unit === undefined ? "" : ` (${unit})`}`;
  const message = `${what} no longer keeps ${JSON.stringify(ref)}.`;
  return raise("RELEASE_GONE", message, { target, unit });
}

/** A release was proven elsewhere with other content. */
export function releaseDiffers(
  target: string,
  { release, environment }: HistoryEntry,
  [wanted = "nothing", found = "nothing"]: readonly (Json | undefined)[],
): LockstepError {
  const has = `${environment} has ${JSON.stringify(wanted)} as release ${release.id}`;
  return raise("RELEASE_DIFFERS", `${target} would bring ${JSON.stringify(found)}; ${has}.`, {
    target,
  });
}

/** A recover was asked for what would not be safe. */
export function recoverRefused(what: string): LockstepError {
  return raise("RECOVER_REFUSED", `Recover cannot ${what}.`);
}

/** A target serves something else than before, although everything was put back. */
export function liveDiffers({ target, unit, wanted, found }: Difference): LockstepError {
  const message = `It serves ${JSON.stringify(found)}, and served ${JSON.stringify(wanted)} before the run.`;
  return raise("LIVE_DIFFERS", message, { target, unit });
}

/** A unit could not be read after the commit. */
export function liveUnknown({ target, unit }: Difference): LockstepError {
  return raise("LIVE_UNKNOWN", "It could not be read after the commit.", { target, unit });
}

/** Somebody came after this run and before its revert. */
export function revertConflict(what: string): LockstepError {
  const message = `Somebody changed what this run was about to put back (${what}); it was left alone.`;
  return raise("REVERT_CONFLICT", message);
}

/** The release before does not work either. */
export function oldCheckFailed(answer: Answer): LockstepError {
  const hint = "Look at the service; where the check itself is wrong, recover with --accept.";
  const { message } = checkFailed("The release that is live again fails its check", answer);
  return raise("CHECK_FAILED", message, { hint });
}

/** What was live changed while the run staged. */
export function liveMoved({ target, unit, wanted, found }: Difference): LockstepError {
  const message = `It serves ${JSON.stringify(found)}, and served ${JSON.stringify(wanted)} when the run was planned.`;
  return raise("LIVE_MOVED", message, { target, unit });
}

/** The run has no such unit. */
export function unitUnknown(name: string, names: readonly string[]): LockstepError {
  const hint = `Units of the run: ${names.join(", ")}.`;
  return raise("UNIT_UNKNOWN", `The run has no unit ${name}.${nearest(name, names)}`, { hint });
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

/** A target of an open run is not in the config. */
export function targetGone(target: string, run: string): LockstepError {
  const message = `Run ${run} deployed to ${target}, which the config does not have any more.`;
  return raise("TARGET_GONE", message, { target });
}
