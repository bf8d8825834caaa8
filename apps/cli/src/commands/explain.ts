import { type Config } from "@lockstep/config";
import { coreErrors } from "@lockstep/core";
import { EXIT } from "@lockstep/events";
import { type ErrorCatalogue, pluginErrors } from "@lockstep/plugin";
import { openJournal } from "@lockstep/state";
import { cliErrors, codeUnknown, runUnknown } from "../errors.ts";
import { configOf, open } from "../open.ts";
import type { Invocation, RunCommand } from "../program.ts";
import { safeText } from "../render/text.ts";
import { renderTimeline } from "../render/timeline.ts";

/** Names of runs begin with their environment: `production-000042-9f3c2d1a`. */
const RUN = /^(.+)-\d{6,}-[0-9a-f]{8}$/;

/** `lockstep explain CODE|RUN`: what an error means, or what happened in a run. */
export const runExplain: RunCommand = async (invocation) => {
  const { shell, word = "" } = invocation;
  const [, environment] = RUN.exec(word) ?? [];
  shell.out(
    environment === undefined
      ? await explainCode(invocation, word.toUpperCase())
      : await explainRun(invocation, word, environment),
  );
  return EXIT.done;
};

async function explainCode(invocation: Invocation, code: string): Promise<string> {
  const ours = { ...pluginErrors, ...coreErrors, ...cliErrors };
  const catalogue =
    ours[code] === undefined ? { ...(await targetErrors(invocation)), ...ours } : ours;
  const entry = catalogue[code];
  if (entry === undefined) throw codeUnknown(code, Object.keys(catalogue));
  if (invocation.flags.output !== "text") return `${JSON.stringify({ code, ...entry })}\n`;
  const { when, why, fix } = entry;
  return [code, "", `When  ${when}`, `Why   ${why}`, `Fix   ${fix}`, ""].map(safeText).join("\n");
}

/** Codes of the installed targets: known where a config can be loaded. */
async function targetErrors(invocation: Invocation): Promise<ErrorCatalogue> {
  const config = await configOf(invocation).catch((): Config | undefined => undefined);
  const environments = Object.values(config?.environments ?? {});
  const targets = environments.flatMap((each) => Object.values(each.targets));
  return Object.assign({}, ...targets.map(({ errors }) => errors ?? {})) as ErrorCatalogue;
}

async function explainRun(invocation: Invocation, run: string, name: string): Promise<string> {
  const { environment } = await open(invocation, [], invocation.flags.env ?? name);
  const { records } = await openJournal(environment.store, run);
  if (records.length === 0) throw runUnknown(run, environment.name);
  return invocation.flags.output === "text"
    ? renderTimeline(run, records)
    : `${JSON.stringify({ run, records })}\n`;
}
