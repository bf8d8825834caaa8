import { LockstepError } from "@lockstep/plugin";
import { failure, type Where } from "./errors.ts";
import { printable } from "./output.ts";

/** The artifact has something where a link to what is shared goes, or a file on the way there. */
export function sharedConflict(where: string, path: string, replaceable = true): LockstepError {
  const replace = ', or set `onConflict: "replace"` in `shared`';
  return ownAt(where, path, `Leave it out with \`exclude\`${replaceable ? replace : ""}.`);
}

/** The artifact has something where the file with variables goes, or a file on the way there. */
export function variablesConflict(where: string, path: string): LockstepError {
  return ownAt(where, path, "Leave it out with `exclude`, or choose another `envFile.path`.");
}

function ownAt(where: string, path: string, hint: string): LockstepError {
  return new LockstepError({
    code: "SSH_SHARED_CONFLICT",
    message: `The release for ${printable(where)} has something of its own at ${printable(path)}.`,
    hint,
  });
}

/** A shared file has to be there before a deploy. */
export function sharedMissing(where: Where, path: string): LockstepError {
  return failure(where, {
    code: "SSH_SHARED_MISSING",
    message: `${where.place} has no file ${printable(path)}.`,
    hint: "Put it there on the host, then deploy again.",
  });
}
