import { exitOf, leavesOf, toDiagnostic } from "@lockstep/core";
import type { Flags } from "./program.ts";
import { renderDiagnostic } from "./render/diagnostic.ts";
import { createStyle } from "./render/style.ts";
import type { Shell } from "./shell.ts";

/**
 * Runs a command and reports what it rejects with: nothing was changed then.
 *
 * @returns The exit code.
 */
export async function reporting(
  shell: Shell,
  { output, verbose }: Flags,
  body: () => Promise<number>,
): Promise<number> {
  try {
    return await body();
  } catch (error) {
    if (shell.stop.aborted) return 130;
    const exit = exitOf(error);
    const diagnostics = leavesOf(error).map((leaf) => toDiagnostic(leaf));
    if (output !== "text") shell.out(`${JSON.stringify({ result: "error", exit, diagnostics })}\n`);
    const style = createStyle(shell);
    for (const diagnostic of diagnostics) shell.err(`${renderDiagnostic(diagnostic, style)}\n`);
    if (verbose === true && error instanceof Error) shell.err(`${error.stack ?? ""}\n`);
    return exit;
  }
}
