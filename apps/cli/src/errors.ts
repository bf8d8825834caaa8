import { nearest } from "@lockstep/config";
import { type ErrorCatalogue, type ErrorFields, LockstepError } from "@lockstep/plugin";

/** The codes of the command line itself. */
export const cliErrors: ErrorCatalogue = {
  CODE_UNKNOWN: {
    when: "`lockstep explain` is asked for a code or a run that nobody knows.",
    why: "There is nothing to tell.",
    fix: "Codes of a plugin are known where its config is: go there, or name it with `--config`. `lockstep history` lists the runs.",
  },
  USAGE: {
    when: "A command, flag or value on the command line is not one that Lockstep knows.",
    why: "A flag that is guessed or ignored may deploy to the wrong place.",
    fix: "Run `lockstep --help`, or `lockstep COMMAND --help`.",
  },
};

function raise(code: string, message: string, more: Partial<ErrorFields> = {}): LockstepError {
  return new LockstepError({ code, message, hint: cliErrors[code]?.fix, ...more });
}

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

/** The file of `--events` cannot be written. */
export function eventsUnwritable(file: string, cause: unknown): LockstepError {
  const reason = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
  const hint = "Name a file in a folder that exists and may be written.";
  return raise("USAGE", `The events cannot be written to ${file}: ${reason}.`, { hint, cause });
}
