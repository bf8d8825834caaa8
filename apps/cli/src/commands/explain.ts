import { coreErrors, EXIT, openJournal } from "@lockstep/core";
import { type ErrorCatalogue, pluginErrors } from "@lockstep/plugin";
import { cliErrors, codeUnknown, runUnknown } from "../errors.ts";
import { open } from "../open.ts";
import type { Invocation, RunCommand } from "../program.ts";
import { safeText } from "../render/text.ts";

/** `lockstep explain CODE|RUN`: what an error means, or what happened in a run. */
export const runExplain: RunCommand = async (invocation) => {
  const { shell, word = "" } = invocation;
  const isCode = /^[A-Z][A-Z0-9_]*$/.test(word);
  shell.out(isCode ? await explainCode(invocation, word) : await explainRun(invocation, word));
  return EXIT.done;
};

async function explainCode(invocation: Invocation, code: string): Promise<string> {
  const catalogue: ErrorCatalogue = {
    ...pluginErrors,
    ...(await catalogueOfTargets(invocation)),
    ...coreErrors,
    ...cliErrors,
  };
  const entry = catalogue[code];
  if (entry === undefined) throw codeUnknown(code, Object.keys(catalogue));
  return `${code}\n\nWhen  ${entry.when}\nWhy   ${entry.why}\nFix   ${entry.fix}\n`;
}

/** Codes of the installed targets: known where a config can be loaded, and nowhere needed. */
async function catalogueOfTargets(invocation: Invocation): Promise<ErrorCatalogue> {
  try {
    const { shell, flags } = invocation;
    const { loadConfig } = await import("@lockstep/core");
    const file = flags.config === undefined ? {} : { file: flags.config };
    const request = { cwd: shell.cwd, ci: false, nodeVersion: shell.nodeVersion, ...file };
    const { environments } = await loadConfig(request);
    const targets = Object.values(environments).flatMap((each) => Object.values(each.targets));
    return Object.assign({}, ...targets.map(({ errors }) => errors ?? {})) as ErrorCatalogue;
  } catch {
    return {};
  }
}

async function explainRun(invocation: Invocation, run: string): Promise<string> {
  const { environment } = await open(invocation);
  const { records } = await openJournal(environment.store, run, { epoch: 0, now: () => 0 });
  if (records.length === 0) throw runUnknown(run);
  const lines = records.map(
    ({ at, epoch, type, body }) =>
      `${at}  epoch ${epoch}  ${type.padEnd(12)}  ${summary(type, body)}`,
  );
  return `${run}\n\n${lines.join("\n")}\n`;
}

/** What of a record people want to see in one line. */
function summary(type: string, body: unknown): string {
  const fact = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  const idsOf = (list: unknown): string =>
    Array.isArray(list)
      ? list.map((entry: { readonly id?: unknown }) => String(entry.id)).join(", ")
      : "";
  const word = (name: string): string => {
    const value = fact[name];
    return typeof value === "string" ? value : "";
  };
  const release = (fact["release"] as { readonly id?: string } | undefined)?.id ?? "";
  const texts: Readonly<Record<string, string>> = {
    "run.begin": `${word("kind")} ${release}`,
    intent: idsOf(fact["entries"]),
    barrier: idsOf(fact["befores"]),
    decision: `${word("verdict")}: ${word("reason")}`,
    reverted: `${word("id")}: ${word("result")}`,
    checked: `${word("id")}: ${word("status")}`,
  };
  return safeText(texts[type] ?? `${word("id")}${word("result")}`);
}
