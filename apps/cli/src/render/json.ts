import { type Outcome } from "@lockstep/core";
import { type Diagnostic } from "@lockstep/events";

/** How a run ended, as one JSON document for programs. */
export function outcomeJson(outcome: Outcome): object {
  const { run, release, result, exit, live, diagnostics, skewMs } = outcome;
  const units = Object.entries(live).map(([target, list]) => [
    target,
    list.map(({ unit, ref }) => ({ unit: unit ?? null, ref })),
  ]);
  return {
    run: run ?? null,
    release,
    result,
    exit,
    live: Object.fromEntries(units) as object,
    targets: Object.keys(live),
    diagnostics,
    skewMs: skewMs ?? null,
  };
}

/** A command that was refused: no run began. */
export function errorJson(exit: number, diagnostics: readonly Diagnostic[]): object {
  return { result: exit >= 128 ? "interrupted" : "error", exit, diagnostics };
}

/** One document on a line of its own; with `ndjson` it says that it is the result, after the events. */
export function documentText(document: object, output: "json" | "ndjson"): string {
  return `${JSON.stringify(output === "ndjson" ? { type: "result", ...document } : document)}\n`;
}
