import { readStatus } from "@lockstep/core";
import { EXIT } from "@lockstep/events";
import { examined, isBad } from "../examined.ts";
import { eventsFile, open } from "../open.ts";
import type { RunCommand } from "../program.ts";
import { renderDiagnostic, renderDiagnosticLine } from "../render/error.ts";
import { renderFindings } from "../render/findings.ts";
import { createLook } from "../render/look.ts";
import { renderStatus } from "../render/status.ts";

/** `lockstep status`: what is live on every target. */
export const runStatus: RunCommand = async (invocation) => {
  const { shell, flags } = invocation;
  using file = eventsFile(invocation);
  const { job } = await open(invocation, file.sinks);
  const status = await readStatus(job);
  const audit = flags.deep === true ? await examined(job, "audit") : undefined;
  const isText = flags.output === "text";
  const findings = audit === undefined ? "" : `\n${renderFindings(audit.findings)}`;
  shell.out(isText ? renderStatus(status) + findings : `${JSON.stringify({ ...status, audit })}\n`);
  const look = createLook(shell);
  const diagnostics = [...status.diagnostics, ...(audit?.diagnostics ?? [])];
  for (const diagnostic of diagnostics) {
    const text = isText ? renderDiagnostic(diagnostic, look) : renderDiagnosticLine(diagnostic);
    shell.err(`${text}\n`);
  }
  if (diagnostics.length > 0) return EXIT.preflight;
  const isDrifted = status.drift.length > 0 || (audit !== undefined && isBad(audit));
  return flags.detailedExitCode === true && isDrifted ? EXIT.drift : EXIT.done;
};
