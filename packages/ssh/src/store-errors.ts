import { LockstepError, type Problem } from "@lockstep/plugin";
import type { Where } from "./errors.ts";

/** The key is none of a store's. */
export function storeKeyWrong(key: string): LockstepError {
  return new LockstepError({
    code: "SSH_STORE_KEY",
    message: `A store has no key ${JSON.stringify(key.slice(0, 80))}.`,
    hint: "This is a bug of whoever asked for it.",
  });
}

/** The options of a store are wrong. */
export function storeOptionsWrong(problems: readonly Problem[]): LockstepError {
  const all = problems.map(({ path, message }) => `${path.join(".")}: ${message}`);
  return new LockstepError({
    code: "SSH_STORE_OPTIONS",
    message: `The options of sshStore are wrong. ${all.join(" ")}`,
    hint: "Correct them in the config.",
  });
}

/** A value could not be had in one piece, again and again. */
export function storeRestless({ name, place }: Where, key: string): LockstepError {
  return new LockstepError({
    unit: name,
    code: "SSH_STORE_RESTLESS",
    message: `${key} in ${place} was replaced each time it was read.`,
    hint: "Try again; if it repeats, look at what else writes below that folder.",
    retryable: true,
  });
}

/** The file system breaks the promises a store is built on. */
export function storeUnfit({ name, place }: Where): LockstepError {
  return new LockstepError({
    unit: name,
    code: "SSH_STORE_UNFIT",
    message: `The file system of ${place} gives a name twice, or has no hard links.`,
    hint: "Keep the store on a local file system of the host, such as ext4 or xfs.",
  });
}
