import { configErrors } from "@lockstep/config";
import type { ErrorCatalogue } from "@lockstep/plugin";
import { stateErrors } from "@lockstep/state";

/** Every code the runner raises, for `lockstep explain` and the error pages. */
export const coreErrors: ErrorCatalogue = {
  ...configErrors,
  ...stateErrors,
  CHECK_FAILED: {
    when: "A check of the plan did not pass within its time.",
    why: "A release counts as deployed only when it is seen to work.",
    fix: "Read what was wanted and found, mend the release, deploy again.",
  },
  CHECK_INCONCLUSIVE: {
    when: "A check could not be measured: its own connection failed, or the answer never came.",
    why: "Not knowing is not the same as failing, so nothing is put back without you.",
    fix: "Look at the service. `lockstep recover` puts everything back.",
  },
  CONFIRMATION_NEEDED: {
    when: "A plan has changes and nobody said yes: there is no terminal, or the answer was no.",
    why: "Nothing is changed without a yes.",
    fix: "Add `-y`. For a protected environment add `--confirm NAME`.",
  },
  LIVE_DIFFERS: {
    when: "After everything was put back, a target serves something else than before the run.",
    why: "The end state is what the targets say, not what the reverts believe.",
    fix: "Look at that target and make it right, then run `lockstep recover`.",
  },
  LIVE_MOVED: {
    when: "Somebody changed what a target serves while the run was staging.",
    why: "The run would overwrite that change, and foreign changes are never overwritten.",
    fix: "Look at what is live, then deploy again: the new plan starts from there.",
  },
  LIVE_UNKNOWN: {
    when: "A target could not be read after the commit.",
    why: "The release was verified before the commit, so it stays.",
    fix: "Look at `lockstep status` once the target can be reached.",
  },
  NOTHING_TO_RETURN_TO: {
    when: "A rollback finds no earlier release, or none of the name it was given.",
    why: "There is nothing that could be made live.",
    fix: "`lockstep history` lists the releases that were live.",
  },
  PLAN_BROKEN: {
    when: "A plugin planned a step without handler, without undo, in the wrong phase, or two that cannot be undone.",
    why: "Such a plan could not be put back.",
    fix: "Tell the author of the plugin. A step that cannot be undone must be the last to activate: mend `order`.",
  },
  PLAN_STALE: {
    when: "Between plan and lease the source or a target changed.",
    why: "Only what was shown is done.",
    fix: "Nothing was changed. Plan again.",
  },
  PLUGIN_CHANGED: {
    when: "A run is to be recovered with another plugin than it was made with, or one that lacks a kind of step.",
    why: "Only a plugin that knows the journaled steps can undo them.",
    fix: "Install the version that the message names, recover, then update.",
  },
  RECOVER_DIFFERS: {
    when: "A target of the open run points to another place in the config than it did when the run began.",
    why: "Putting back must happen where the run was.",
    fix: "Recover with the config of that run, then change it.",
  },
  RECOVER_REFUSED: {
    when: "`recover --forward` or `--accept` is asked for a run in which that would not be safe.",
    why: "A run whose release failed cannot go on, and only what is live everywhere can be accepted.",
    fix: "`lockstep recover` without it puts everything back. `lockstep explain RUN` tells what the run did.",
  },
  RELEASE_DIFFERS: {
    when: "`--release` names a release that is live in another environment, and a target would bring other content.",
    why: "What was proven there is its content, not its name.",
    fix: "Deploy from the same build, or under a new name.",
  },
  RELEASE_GONE: {
    when: "A target no longer keeps the release that is to be live again.",
    why: "A rollback uploads nothing.",
    fix: "Roll back to a later release, or deploy that commit again.",
  },
  REVERT_CONFLICT: {
    when: "Somebody changed a target after this run had, and before it was put back.",
    why: "Foreign changes are never overwritten.",
    fix: "Look at what is there, make it right by hand, then run `lockstep recover`.",
  },
  RUN_INTERRUPTED: {
    when: "`lockstep recover` found a run that was killed before its decision.",
    why: "Without a durable commit the answer is to put everything back.",
    fix: "Nothing; it was put back. Deploy again.",
  },
  RUN_NOT_OPEN: {
    when: "`lockstep recover RUN` names a run that is not the open one.",
    why: "Only the newest run of an environment can be open.",
    fix: "Leave the name out, or look at `lockstep history`.",
  },
  RUN_STOPPED: {
    when: "Somebody pressed Ctrl-C, or the CI job was canceled.",
    why: "Before the first pointer moves everything staged is removed; after it a terminal puts everything back, and CI parks the run.",
    fix: "Deploy again; after a parked run `lockstep recover` first.",
  },
  STEP_TIMED_OUT: {
    when: "A step did not end within its time, nor soon after it was told to stop.",
    why: "What it did is unknown, so the run is put back and the target looked at.",
    fix: "Look at the target; give the step more time if it needs it.",
  },
  TARGET_GONE: {
    when: "The open run deployed to a target that the config does not have any more.",
    why: "It must be put back there, too.",
    fix: "Recover with the config of that run, then change it.",
  },
  UNIT_UNKNOWN: {
    when: "`recover --skip` names a unit that the run does not have.",
    why: "A misspelt name would leave the wrong unit as it is.",
    fix: "Use one of the names that the message lists.",
  },
  UNEXPECTED: {
    when: "Something failed in a way that no part of Lockstep expects.",
    why: "It is a bug here or in a plugin.",
    fix: "Report it with the message and the output of `--events`.",
  },
};
