import { EXIT } from "@lockstep/events";
import { examined, isBad, storeFinding } from "../examined.ts";
import { eventsFile, open } from "../open.ts";
import type { RunCommand } from "../program.ts";
import { renderDiagnostic, renderDiagnosticLine } from "../render/error.ts";
import { renderFindings } from "../render/findings.ts";
import { createLook } from "../render/look.ts";

/** `lockstep doctor`: what would hinder a run, looked for by every target; and whether the store can be read. */
export const runDoctor: RunCommand = async (invocation) => {
  const { shell, flags } = invocation;
  using file = eventsFile(invocation);
  const { job, environment } = await open(invocation, file.sinks);
  const [store, targets] = await Promise.all([
    storeFinding(environment.store),
    examined(job, "doctor"),
  ]);
  const result = { ...targets, findings: [store, ...targets.findings] };
  const isText = flags.output === "text";
  shell.out(isText ? renderFindings(result.findings) : `${JSON.stringify(result)}\n`);
  const look = createLook(shell);
  for (const diagnostic of result.diagnostics) {
    const text = isText ? renderDiagnostic(diagnostic, look) : renderDiagnosticLine(diagnostic);
    shell.err(`${text}\n`);
  }
  return isBad(result) ? EXIT.preflight : EXIT.done;
};
