import type { ErrorCatalogue } from "@lockstep/plugin";

/** Every code the runner raises, for `lockstep explain` and the error pages. */
export const coreErrors: ErrorCatalogue = {
  CHECK_FAILED: {
    when: "A check of the plan did not pass within its time.",
    why: "A release counts as deployed only when it is seen to work.",
    fix: "Read what was wanted and found, mend the release, deploy again. Everything was put back.",
  },
  CHECK_INCONCLUSIVE: {
    when: "A check could not be measured: its own connection failed, or the answer never came.",
    why: "Not knowing is not the same as failing, so nothing is put back without you.",
    fix: "Look at the service. `lockstep recover` puts everything back.",
  },
  CONFIG_BROKEN: {
    when: "The config file throws while it is loaded, or is not valid JavaScript once its types are stripped.",
    why: "Node runs the file as it is; there is no other loader.",
    fix: "Run `node lockstep.config.ts` and mend what it says. Enums, namespaces and parameter properties cannot be stripped.",
  },
  CONFIG_INVALID: {
    when: "The config has keys that do not exist, values of the wrong kind, or lacks something.",
    why: "A misspelt key that is ignored is an outage later.",
    fix: "Every problem is listed with its path; mend them all.",
  },
  CONFIG_MISSING: {
    when: "No config file is in the folder where the command was started, or at the path of `--config`.",
    why: "Nothing is searched for elsewhere.",
    fix: "Go to the folder of the config, or name the file with `--config`.",
  },
  CONFIRMATION_NEEDED: {
    when: "A plan has changes and nobody said yes: there is no terminal, or the answer was no.",
    why: "Nothing is changed without a yes.",
    fix: "Add `-y`. For a protected environment add `--confirm NAME`.",
  },
  ENVIRONMENT_UNKNOWN: {
    when: "`--env` is missing or names an environment that the config does not have.",
    why: "There is no environment by default, not even the only one.",
    fix: "Name one of the environments that the message lists.",
  },
  FOREIGN_LINEAGE: {
    when: "A target carries the stamp of a run that another store counted.",
    why: "Two stores cannot tell whose run is newer, so one of them would overwrite the other.",
    fix: "Use the store of the last deploy. If it is lost, and nobody else deploys there, add `--adopt`.",
  },
  JOURNAL_UNREADABLE: {
    when: "A record of a run is missing, altered, or of a format this version does not know.",
    why: "What is to be undone is written there; guessing could destroy what is live.",
    fix: "Nothing was changed. Restore the store from a backup, or look at every target with `lockstep status`.",
  },
  LEASE_HELD: {
    when: "Another run of the same environment is going on.",
    why: "Only one run at a time may change an environment.",
    fix: "Wait with `--lock-wait 5m`, or look at the run that the message names.",
  },
  LEASE_LOST: {
    when: "Another process took the lease while this run went on, because this one had fallen silent.",
    why: "Only the newest run may change targets.",
    fix: "Look at `lockstep status`: the other run decides what is live.",
  },
  LIVE_DIFFERS: {
    when: "After everything was put back, a target serves something else than before the run.",
    why: "The end state is what the targets say, not what the reverts believe.",
    fix: "Look at that target and make it right, then run `lockstep recover`.",
  },
  LIVE_UNKNOWN: {
    when: "A target could not be read after the commit.",
    why: "The release was verified before the commit, so it stays.",
    fix: "Look at `lockstep status` once the target can be reached.",
  },
  NODE_TOO_OLD: {
    when: "Lockstep runs on a Node below 22.18.",
    why: "Later versions load TypeScript configs by themselves; there is no other loader.",
    fix: "Install a newer Node, or add one to the project: `npm i -D node@24`.",
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
  PLUGIN_INCOMPATIBLE: {
    when: "A plugin was built for another version of the plugin contract.",
    why: "Its steps would not keep the promises that the runner builds on.",
    fix: "Update the older of the two.",
  },
  PLUGIN_MISSING: {
    when: "The config imports a package that is not installed.",
    why: "Plugins are ordinary imports of the config.",
    fix: "Install it beside the config.",
  },
  RECOVER_DIFFERS: {
    when: "A target of the open run points to another place in the config than it did when the run began.",
    why: "Putting back must happen where the run was.",
    fix: "Recover with the config of that run, then change it.",
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
  RUN_FENCED: {
    when: "Another process wrote the next record of this run's journal.",
    why: "It took the run over; this process must not touch anything any more.",
    fix: "Look at `lockstep status`.",
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
  RUN_OPEN: {
    when: "An earlier run was killed or parked and has not been recovered.",
    why: "What it left may be half done; building on it would make the mix permanent.",
    fix: "Run `lockstep recover`.",
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
  STORE_KEY_INVALID: {
    when: "A store was asked for a key outside of its alphabet.",
    why: "Keys become file names and object names.",
    fix: "This is a mistake in a program that uses the store.",
  },
  STORE_UNREACHABLE: {
    when: "The store that keeps lease and journal failed.",
    why: "Without it no intent can be written down, and so nothing may be changed.",
    fix: "Make the store reachable. If a run had begun, run `lockstep recover` then.",
  },
  TARGET_GONE: {
    when: "The open run deployed to a target that the config does not have any more.",
    why: "It must be put back there, too.",
    fix: "Recover with the config of that run, then change it.",
  },
  TARGET_UNKNOWN: {
    when: "`--target` names a target that the environment does not have.",
    why: "A misspelt name must not become a smaller deploy.",
    fix: "Use one of the names that the message lists.",
  },
  UNEXPECTED: {
    when: "Something failed in a way that no part of Lockstep expects.",
    why: "It is a bug here or in a plugin.",
    fix: "Report it with the message and the output of `--events`.",
  },
};
