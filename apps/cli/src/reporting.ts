import { type Diagnostic, exitOf, leavesOf, toDiagnostic } from "@lockstep/events";
import type { Ends, Flags } from "./program.ts";
import { renderDiagnostic, renderDiagnosticLine } from "./render/error.ts";
import { documentText, errorJson } from "./render/json.ts";
import { createLook } from "./render/look.ts";
import { safeText } from "./render/text.ts";
import type { Shell } from "./shell.ts";

/** A command that is about to run. */
export interface Reported {
  readonly shell: Shell;
  readonly flags: Flags;
  readonly ends: Ends;
}

/**
 * Runs a command and reports what it rejects with: no target was changed then.
 *
 * @returns The exit code.
 */
export async function reporting(
  { shell, flags, ends }: Reported,
  body: () => Promise<number>,
): Promise<number> {
  try {
    if (ends === "safely") return await body();
    shell.stop.throwIfAborted();
    return await Promise.race([body(), stopped(shell)]);
  } catch (error) {
    return reportError(shell, flags, error);
  }
}

/** Tells an error on stderr, and as a document on stdout where a program reads it; its exit code. */
export function reportError(shell: Shell, flags: Partial<Flags>, error: unknown): number {
  const { output = "text", verbose } = flags;
  const isStop = shell.stop.aborted && leavesOf(error).some(isAbort);
  const exit = isStop ? shell.stopExit() : exitOf(error);
  const diagnostics = isStop ? [STOPPED] : leavesOf(error).map((leaf) => toDiagnostic(leaf));
  if (output !== "text") {
    shell.out(documentText(errorJson(exit, diagnostics), output));
    for (const diagnostic of diagnostics) shell.err(`${renderDiagnosticLine(diagnostic)}\n`);
    return exit;
  }
  const look = createLook(shell);
  for (const diagnostic of diagnostics) shell.err(`${renderDiagnostic(diagnostic, look)}\n`);
  if (verbose === true && error instanceof Error) {
    const lines = (error.stack ?? "").split("\n");
    shell.err(lines.map((line) => `  ${safeText(line)}\n`).join(""));
  }
  return exit;
}

const STOPPED: Diagnostic = {
  severity: "error",
  code: "RUN_STOPPED",
  message: "Stopped; nothing was changed.",
};

function stopped({ stop }: Shell): Promise<never> {
  return new Promise((_, reject) => {
    stop.addEventListener("abort", () => reject(stop.reason as Error), { once: true });
  });
}

function isAbort(error: unknown): boolean {
  return (
    typeof error === "object" && error !== null && "name" in error && error.name === "AbortError"
  );
}
