import type { Event, Outcome } from "@lockstep/core";
import { renderDiagnostic } from "./diagnostic.ts";
import type { Style } from "./style.ts";
import { placeText, safeText } from "./text.ts";

/** What production is like after a command, in one sentence. */
export function resultText({ result, release, environment, exit }: Outcome): string {
  const isRecovered = exit === 0 && result !== "done" && result !== "unchanged";
  if (isRecovered)
    return "Recovered: the run is closed, and every target serves what it served before it.";
  const texts: Readonly<Record<Outcome["result"], string>> = {
    done: `Release ${release} is live in ${environment}.`,
    unchanged: `Nothing to do in ${environment}.`,
    failed: "Failed before anything was activated: users saw nothing, and what was staged is gone.",
    interrupted:
      "Stopped before anything was activated: users saw nothing, and what was staged is gone.",
    "rolled-back": "Failed and rolled back: every target serves what it served before.",
    "needs-human": "A human is needed: not everything could be put back.",
    parked: "Parked: the run is open.",
    inconclusive: "Parked: a check could not be measured, and the new release is live.",
    fenced: "Another run took over: this one touched nothing more.",
  };
  return texts[result];
}

/** The end of the story: problems first, then the result, then what is live, then the next command. */
export function renderOutcome(outcome: Outcome, events: readonly Event[], style: Style): string {
  const { exit, environment, skewMs } = outcome;
  const good = exit === 0;
  const mark = good ? style("green", "✔") : style("red", "✖");
  const open = exit === 32 || exit === 33 || exit === 34;
  return [
    ...outcome.diagnostics
      .filter(({ code }) => !(good && code === "RUN_INTERRUPTED")) // that is what recover was called for
      .map((diagnostic) => renderDiagnostic(diagnostic, style)),
    `${mark} ${style("bold", resultText(outcome))}`,
    ...liveLines(outcome),
    ...(skewMs === undefined ? [] : [`  first and last pointer moved within ${skewMs} ms`]),
    ...watchLines(events),
    ...(open ? [`  next: lockstep recover -e ${environment}`] : []),
    ...(good || outcome.run === undefined
      ? []
      : [`  story: lockstep explain ${outcome.run} -e ${environment}`]),
    "",
  ].join("\n");
}

function liveLines({ live }: Outcome): string[] {
  return Object.entries(live).flatMap(([target, units]) =>
    units.map(
      ({ unit, ref }) =>
        `  ${placeText({ target, ...(unit === undefined ? {} : { unit }) })}  ${refText(ref)}`,
    ),
  );
}

function watchLines(events: readonly Event[]): string[] {
  return events.flatMap((event) =>
    event.type === "watch.finished"
      ? [
          `  ${event.target ?? ""}: ${event.failed} of ${event.requests} requests failed, slowest ${event.slowestMs} ms`,
        ]
      : [],
  );
}

/** A target's name of a release, in words: its `release` where it has one. */
export function refText(ref: unknown): string {
  if (ref === null || ref === undefined) return "nothing";
  if (typeof ref === "string") return safeText(ref);
  const release = typeof ref === "object" && "release" in ref ? ref.release : undefined;
  return safeText(typeof release === "string" ? release : JSON.stringify(ref));
}

/** One JSON document for programs. */
export function outcomeJson(outcome: Outcome): object {
  const { run, release, result, exit, live, diagnostics, skewMs } = outcome;
  const shown = Object.fromEntries(
    Object.entries(live).map(([name, units]) => [
      name,
      units.map(({ unit, ref }) => ({ unit: unit ?? null, ref })),
    ]),
  );
  return {
    run: run ?? null,
    release,
    result,
    exit,
    live: shown,
    targets: Object.keys(live),
    diagnostics,
    skewMs: skewMs ?? null,
  };
}
