/** Shared across copies of this package, so a plugin built on another copy still matches. */
const BRAND = Symbol.for("lockstep.error");

/** What happened, for people and for programs that branch on `code`. */
export interface ErrorFields {
  /** Stable, in the catalogue of its package, safe to branch on: `LOCK_HELD`, `SSH_HOST_KEY_CHANGED`. */
  readonly code: string;
  /** One sentence in the past or present tense: what failed, where, the value found. No secret in it. */
  readonly message: string;
  /** What the operator can do next. Absent when there is nothing to do but report the bug. */
  readonly hint?: string | undefined;
  /** True only when the same call may succeed if repeated unchanged. Default false. */
  readonly retryable?: boolean;
  readonly cause?: unknown;
  /** Filled in by the runner on the way up; a plugin sets only `unit`, and only from `live` and `fence`. */
  readonly target?: string | undefined;
  readonly unit?: string | undefined;
  readonly step?: string | undefined;
}

/**
 * The only error type that crosses a package boundary.
 *
 * Test for it with {@link isLockstepError} and branch on `code`, never on `instanceof` or on the
 * message: two installed copies of this package have two classes, and messages may change in a patch.
 */
export class LockstepError extends Error {
  static {
    // On the prototype, so that neither shows up when an error is printed or serialised.
    Object.defineProperties(this.prototype, {
      name: { value: "LockstepError" },
      [BRAND]: { value: true },
    });
  }

  readonly code: string;
  readonly hint: string | undefined;
  readonly retryable: boolean;
  readonly target: string | undefined;
  readonly unit: string | undefined;
  readonly step: string | undefined;

  constructor({ code, message, hint, retryable = false, cause, target, unit, step }: ErrorFields) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
    this.retryable = retryable;
    this.target = target;
    this.unit = unit;
    this.step = step;
  }
}

/** Tells our errors from all others, across copies of this package. */
export function isLockstepError(value: unknown): value is LockstepError {
  return value instanceof Error && BRAND in value;
}

/** What a code means, for `lockstep explain` and the error pages. Plain sentences, no values. */
export interface CatalogueEntry {
  /** In which situation the error is raised. */
  readonly when: string;
  /** Why Lockstep stops there. */
  readonly why: string;
  /** What the operator does about it. */
  readonly fix: string;
}

/** Every code a package may raise. A code that is missing here fails the contract suite. */
export type ErrorCatalogue = Readonly<Record<string, CatalogueEntry>>;

/** The codes any target may raise, with the meaning that the runner gives them. */
export const pluginErrors: ErrorCatalogue = {
  FENCED: {
    when: "A target carries the stamp of a newer run than this one.",
    why: "Another run took over; writing on would undo its work.",
    fix: "Look at `lockstep status`. Nothing is to be repaired for this run: the newer one decides.",
  },
  SECRET_MISSING: {
    when: "A secret named in the config has no value on this machine.",
    why: "A step needs it, and an empty value would fail later and less clearly.",
    fix: "Set the variable, or write the file, that the message names.",
  },
  SECRET_TOO_SHORT: {
    when: "The value of a secret has fewer than 6 characters.",
    why: "Every value of a secret is blanked out wherever it appears, and a short one appears by chance in every log.",
    fix: "Use a longer secret, or give the value as plain text if it is not secret.",
  },
  SECRET_UNREADABLE: {
    when: "The file of a secret cannot be read, or its command failed.",
    why: "Without the value the step cannot run.",
    fix: "Run the command, or read the file, as the user that runs Lockstep.",
  },
  SOURCE_CHANGED: {
    when: "The files of a source are not the ones the plan was made from, or are gone.",
    why: "Only what was planned may be deployed.",
    fix: "Let the build finish before the deploy starts, then plan again.",
  },
  STEP_CONFLICT: {
    when: "A step found neither the state it had seen before nor its own result.",
    why: "Somebody else changed the target meanwhile, and foreign changes are never overwritten.",
    fix: "Look at what changed on the target, then deploy again: the new plan starts from what is there.",
  },
};

/**
 * Somebody else changed what a step was about to change; nothing was written.
 *
 * @param what - The thing that changed, as an operator would name it: a path, a tag.
 */
export function stepConflict(
  what: string,
  { wanted, found }: { readonly wanted: string | null; readonly found: string | null },
): LockstepError {
  return new LockstepError({
    code: "STEP_CONFLICT",
    message: `${what} is ${found ?? "nothing"}, where the run had seen ${wanted ?? "nothing"}.`,
    hint: "Somebody else changed it. Look at it, then deploy again.",
  });
}

/** The target carries a newer stamp; nothing was written. */
export function fenced(
  place: string,
  { ours, found }: { readonly ours: number; readonly found: number },
): LockstepError {
  return new LockstepError({
    code: "FENCED",
    message: `${place} belongs to a newer run: epoch ${found}, this run has ${ours}.`,
    hint: "Another run took over. Look at `lockstep status`.",
  });
}

/** The source is not what the plan was made from; nothing went live. */
export function sourceChanged(
  source: string,
  { wanted, found }: { readonly wanted: string; readonly found: string | null },
): LockstepError {
  return new LockstepError({
    code: "SOURCE_CHANGED",
    message: `${source} changed after the plan: ${found ?? "it is gone"}, planned ${wanted}.`,
    hint: "Plan again once the build is finished.",
  });
}

/** The secret has no value on this machine. */
export function secretMissing(name: string): LockstepError {
  return new LockstepError({
    code: "SECRET_MISSING",
    message: `The secret ${name} has no value.`,
    hint: `Set ${name} where lockstep runs.`,
  });
}

/** The value is too short to be blanked out of logs safely. */
export function secretTooShort(name: string, shortest: number): LockstepError {
  return new LockstepError({
    code: "SECRET_TOO_SHORT",
    message: `The secret ${name} has fewer than ${shortest} characters.`,
    hint: "Use a longer secret.",
  });
}

/** The file or command of a secret failed. The cause is kept without its output. */
export function secretUnreadable(name: string, cause: unknown): LockstepError {
  const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "it failed";
  return new LockstepError({
    code: "SECRET_UNREADABLE",
    message: `The secret ${name} could not be read: ${reason}.`,
    hint: "Try it as the user that runs lockstep.",
  });
}

/**
 * Makes the function with which a package raises the errors of its catalogue: the hint is the catalogue's
 * `fix`, unless a failure can say it better with the names at hand.
 */
export function raising(
  catalogue: ErrorCatalogue,
): (code: string, message: string, more?: Partial<ErrorFields>) => LockstepError {
  return (code, message, more = {}) =>
    new LockstepError({ code, message, hint: catalogue[code]?.fix, ...more });
}
