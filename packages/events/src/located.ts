import { isLockstepError, LockstepError } from "@lockstep/plugin";
import type { About } from "./events.ts";
import type { Redactor } from "./redact.ts";

/**
 * The same failure, saying where it happened, without secrets. Per-unit errors keep their own unit; what is
 * not ours is a bug of the plugin and gets a code of its own.
 */
export function located(error: unknown, scope: About, redactor: Redactor): unknown {
  if (error instanceof AggregateError) {
    const errors = error.errors.map((inner: unknown) => located(inner, scope, redactor));
    return new AggregateError(errors, redactor.text(error.message));
  }
  const about = isLockstepError(error) ? error : undefined;
  const cause = about === undefined ? error : about.cause;
  const message = error instanceof Error ? error.message : String(error);
  return new LockstepError({
    code: about?.code ?? "UNEXPECTED",
    retryable: about?.retryable ?? false,
    message: redactor.text(message),
    hint: about?.hint === undefined ? undefined : redactor.text(about.hint),
    // A cause is kept for people who debug, unless a secret stands in it.
    ...(cause instanceof Error && redactor.text(cause.message) === cause.message ? { cause } : {}),
    target: about?.target ?? scope.target,
    unit: about?.unit ?? scope.unit,
    step: about?.step ?? scope.step,
  });
}
