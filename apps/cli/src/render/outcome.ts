import { type Outcome } from "@lockstep/core";
import { isOpen, type Result } from "@lockstep/events";
import { renderDiagnostic } from "./error.ts";
import { commonRelease, liveLines, unitLines, unknownUnits } from "./live.ts";
import type { Look } from "./look.ts";
import { keyOf, type RunState } from "./state.ts";
import { placeText, safeText, timeText } from "./text.ts";

/** The command that ended. */
export type Verb = "deploy" | "rollback" | "recover";

/** What the end of a run is told with. */
export interface OutcomeView {
  readonly verb: Verb;
  /** What happened until then. */
  readonly state: RunState;
  readonly look: Look;
  /** The targets of the run, where it was not about all. */
  readonly only?: readonly string[] | undefined;
  /** Some target can compare all of what is live, which a deploy does not. */
  readonly hasAudit?: boolean;
  /** A command with the flags that belong to it: `recover` gives `lockstep recover -e production`. */
  command(words: readonly string[]): string;
}

const NAMES: Readonly<Record<Verb, string>> = {
  deploy: "Deploy",
  rollback: "Rollback",
  recover: "Recover",
};

const SENTENCES: Readonly<Record<Result, string>> = {
  done: "",
  unchanged: "",
  failed: "failed before anything was activated; users saw nothing.",
  interrupted: "was stopped before anything was activated; users saw nothing.",
  "rolled-back": "failed and was rolled back.",
  accepted: "ended: what is live was accepted.",
  "needs-human": "failed, and a person is needed: not everything is as it was.",
  parked: "was stopped half-way; the run is open.",
  inconclusive: "is undecided: a check could not be measured; the run is open.",
  fenced: "was overtaken by another run, which decides now; this one wrote nothing more.",
};

/** A recover that closes a run has done well, whatever that meant. */
const RECOVERED: Partial<Readonly<Record<Result, string>>> = {
  done: "Recovered: the run was finished.",
  unchanged: "Nothing to recover: no run is open.",
  failed: "Recovered: the run was put back; users saw nothing of it.",
  interrupted: "Recovered: the run was put back; users saw nothing of it.",
  "rolled-back": "Recovered: the run was rolled back.",
  accepted: "Accepted: the run is closed, and what is live stays.",
};

/** What production is like after a command, in one line. */
export function resultText({ result, environment }: Outcome, verb: Verb): string {
  const recovered = verb === "recover" ? RECOVERED[result] : undefined;
  if (recovered !== undefined) return recovered;
  if (result === "done") return verb === "deploy" ? "Deployed." : "Rolled back.";
  return result === "unchanged"
    ? `Nothing to do in ${safeText(environment)}.`
    : `${NAMES[verb]} ${SENTENCES[result]}`;
}

/** The end of the story: problems, then the result and what is live, then the next command. */
export function renderOutcome(outcome: Outcome, view: OutcomeView): string {
  const { look, state, verb, only } = view;
  const { style, mark } = look;
  const good = outcome.exit === 0;
  const [first = "", ...rows] =
    outcome.result === "done" ? doneLines(outcome, only) : seenLines(outcome, only);
  const problems = outcome.diagnostics.map((diagnostic) =>
    // What was wrong before a recover that went well is no error any more.
    renderDiagnostic(good ? { ...diagnostic, severity: "warning" } : diagnostic, look, {
      stepText: state.texts.get(keyOf(diagnostic)),
    }),
  );
  return [
    ...new Set(problems), // each step of a host that is lost tells the same
    `${good ? style("green", mark("good")) : style("red", mark("bad"))} ${style("bold", `${resultText(outcome, verb)} ${first}`.trimEnd())}`,
    ...rows,
    ...factLines(outcome, state),
    ...nextLines(outcome, view),
    "",
  ].join("\n");
}

/** Where a unit could not be read, what the others serve is not what every target serves. */
function seenLines(outcome: Outcome, only?: readonly string[]): string[] {
  const unknown = unknownUnits(outcome);
  if (unknown.length === 0) return liveLines(outcome.live, only);
  const rows = unknown.map((about) => `  ${placeText(about)}  unknown`);
  return ["Live now:", ...unitLines(outcome.live), ...rows];
}

/** After a commit every target has the release; a target may have a name of its own for it. */
function doneLines({ release, environment, live }: Outcome, only?: readonly string[]): string[] {
  const where = only === undefined ? "" : `, on ${only.join(", ")}`;
  const sentence = safeText(`Release ${release} is live in ${environment}${where}.`);
  return commonRelease(live) === release ? [sentence] : [sentence, ...unitLines(live)];
}

function factLines({ skewMs }: Outcome, { watched }: RunState): string[] {
  return [
    ...(skewMs === undefined ? [] : [`  Pointers moved within ${skewMs} ms.`]),
    ...watched.map(
      ({ target, requests, failed, slowestMs }) =>
        `  ${safeText(target ?? "")}: ${failed} of ${requests} requests failed meanwhile; the slowest took ${timeText(slowestMs)}.`,
    ),
  ];
}

/** Everything is as it was, and a check fails all the same: recover asks the same check again. */
function isOnlyChecks({ result, diagnostics }: Outcome): boolean {
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  const isAsked = result === "needs-human" && errors.length > 0;
  return isAsked && errors.every(({ code }) => code === "CHECK_FAILED");
}

/** What is gone for good keeps its run open until somebody says so. */
function skipOf(outcome: Outcome): readonly string[] {
  if (outcome.result !== "needs-human") return [];
  return unknownUnits(outcome).flatMap(({ target = "", unit = "" }) => [
    "--skip",
    `${target}/${unit}`,
  ]);
}

function nextLines(outcome: Outcome, { command, look, hasAudit, verb }: OutcomeView): string[] {
  const arrow = look.style("dim", look.mark("next"));
  const { run, result } = outcome;
  if (result === "unchanged" && verb === "deploy" && hasAudit === true)
    return [`  ${arrow} ${command(["status", "--deep"])} compares what is live; this did not.`];
  if (run === undefined || result === "done") return [];
  const skip = skipOf(outcome);
  return [
    ...(isOpen(result) ? [`  ${arrow} ${command(["recover"])}`] : []),
    ...(skip.length > 0
      ? [`  ${arrow} ${command(["recover", ...skip, "--reason", "it is gone for good"])}`]
      : []),
    ...(isOnlyChecks(outcome)
      ? [`  ${arrow} ${command(["recover", "--accept", "--reason", "the check is wrong"])}`]
      : []),
    ...(result === "fenced" ? [`  ${arrow} ${command(["status"])}`] : []),
    `  ${arrow} ${command(["explain", run])}`,
  ];
}
