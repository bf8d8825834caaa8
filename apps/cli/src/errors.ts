import { nearest } from "@lockstep/config";
import { type ErrorCatalogue, type LockstepError, raising } from "@lockstep/plugin";

/** The codes of the command line itself. */
export const cliErrors: ErrorCatalogue = {
  CODE_UNKNOWN: {
    when: "`lockstep explain` is asked for a code or a run that nobody knows.",
    why: "There is nothing to tell.",
    fix: "Codes of a plugin are known where its config is: go there, or name it with `--config`. `lockstep history` lists the runs.",
  },
  PLAN_ALTERED: {
    when: "A saved plan is not what `lockstep plan` wrote: its digest differs.",
    why: "Only what was shown is done.",
    fix: "Nothing was changed. Plan again.",
  },
  PLAN_UNREADABLE: {
    when: "`lockstep apply` is given a file that is not there, or that holds no plan.",
    why: "There is nothing to run.",
    fix: "Save one with `lockstep plan --save FILE`.",
  },
  USAGE: {
    when: "A command, flag or value on the command line is not one that Lockstep knows.",
    why: "A flag that is guessed or ignored may deploy to the wrong place.",
    fix: "Run `lockstep --help`, or `lockstep COMMAND --help`.",
  },
};

const raise = raising(cliErrors);

/** No catalogue has the code. */
export function codeUnknown(code: string, known: readonly string[]): LockstepError {
  return raise("CODE_UNKNOWN", `No package knows the code ${code}.${nearest(code, known)}`);
}

/** The store has no such run. */
export function runUnknown(run: string, environment: string): LockstepError {
  const hint = `\`lockstep history -e ${environment}\` lists the runs.`;
  return raise("CODE_UNKNOWN", `${environment} has no run ${run}.`, { hint });
}

/** The words of the command line make no sense. */
export function usage(message: string): LockstepError {
  return raise("USAGE", message);
}

/** A file that the command line names cannot be written. */
export function fileUnwritable(file: string, cause: unknown): LockstepError {
  const reason = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
  const hint = "Name a file in a folder that exists and may be written.";
  return raise("USAGE", `${file} cannot be written: ${reason}.`, { hint, cause });
}

/** The saved plan was changed by hand, or cut. */
export function planAltered(file: string): LockstepError {
  return raise("PLAN_ALTERED", `${file} was changed after it was saved.`);
}

/** The file holds no plan. */
export function planUnreadable(file: string, reason: string, cause?: unknown): LockstepError {
  return raise("PLAN_UNREADABLE", `${file} cannot be applied: ${reason}.`, { cause });
}
