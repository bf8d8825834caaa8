import { EXIT } from "@lockstep/events";
import { examined, isBad } from "../examined.ts";
import { eventsFile, open } from "../open.ts";
import type { RunCommand } from "../program.ts";
import { renderDiagnostic, renderDiagnosticLine } from "../render/error.ts";
import { renderFindings } from "../render/findings.ts";
import { createLook } from "../render/look.ts";

/** `lockstep doctor`: what would hinder a run, looked for by every target. */
export const runDoctor: RunCommand = async (invocation) => {
  const { shell, flags } = invocation;
  using file = eventsFile(invocation);
  const { job } = await open(invocation, file.sinks);
  const result = await examined(job, "doctor");
  const isText = flags.output === "text";
  shell.out(isText ? renderFindings(result.findings) : `${JSON.stringify(result)}\n`);
  const look = createLook(shell);
  for (const diagnostic of result.diagnostics) {
    const text = isText ? renderDiagnostic(diagnostic, look) : renderDiagnosticLine(diagnostic);
    shell.err(`${text}\n`);
  }
  return isBad(result) ? EXIT.preflight : EXIT.done;
};
