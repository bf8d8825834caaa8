import { nearest } from "@lockstep/core";
import { type ErrorCatalogue, LockstepError } from "@lockstep/plugin";

/** Codes the command line raises itself. */
export const cliErrors: ErrorCatalogue = {
  CODE_UNKNOWN: {
    when: "`lockstep explain` is asked for a code or a run that nobody knows.",
    why: "There is nothing to tell.",
    fix: "Codes of a plugin are known where its config is: go there, or name it with `--config`. `lockstep history` lists the runs.",
  },
};

/** No package has a page for the code. */
export function codeUnknown(code: string, known: readonly string[]): LockstepError {
  return unknown(`No package knows the code ${code}.${nearest(code, known)}`);
}

/** The store of the environment has no such run. */
export function runUnknown(run: string): LockstepError {
  return unknown(`There is no run ${run}.`);
}

function unknown(message: string): LockstepError {
  return new LockstepError({ code: "CODE_UNKNOWN", message, hint: cliErrors["CODE_UNKNOWN"]?.fix });
}
