import { readStatus } from "@lockstep/core";
import { EXIT } from "@lockstep/events";
import { eventsFile, open } from "../open.ts";
import type { RunCommand } from "../program.ts";
import { renderDiagnostic, renderDiagnosticLine } from "../render/error.ts";
import { createLook } from "../render/look.ts";
import { renderStatus } from "../render/status.ts";

/** `lockstep status`: what is live on every target. */
export const runStatus: RunCommand = async (invocation) => {
  const { shell, flags } = invocation;
  using file = eventsFile(invocation);
  const status = await readStatus((await open(invocation, file.sinks)).job);
  const isText = flags.output === "text";
  shell.out(isText ? renderStatus(status) : `${JSON.stringify(status)}\n`);
  const look = createLook(shell);
  for (const diagnostic of status.diagnostics) {
    const text = isText ? renderDiagnostic(diagnostic, look) : renderDiagnosticLine(diagnostic);
    shell.err(`${text}\n`);
  }
  if (status.diagnostics.length > 0) return EXIT.preflight;
  return flags.detailedExitCode === true && status.drift.length > 0 ? EXIT.drift : EXIT.done;
};
