import type { CheckResult } from "@lockstep/plugin";
import type { Actor, EndBody, JournalRecord } from "@lockstep/state";
import { countText, safeText, timeText } from "./text.ts";

/** What a run did, from its journal: when, how long after its beginning, what. */
export function renderTimeline(run: string, records: readonly JournalRecord[]): string {
  const begun = Date.parse(records[0]?.at ?? "");
  const rows = records.flatMap((record) => {
    const since = `+${timeText(Math.max(0, Date.parse(record.at) - begun))}`;
    const [first = "", ...rest] = textsOf(record);
    return [
      `${record.at}  ${since.padStart(10)}  ${safeText(first)}`,
      ...rest.map((text) => `${" ".repeat(38)}${safeText(text)}`),
    ];
  });
  return [safeText(run), "", ...rows, ""].join("\n");
}

function textsOf(record: JournalRecord): string[] {
  const { type, epoch, body } = record;
  switch (type) {
    case "run.begin":
      return [
        `${body.kind} of release ${body.release.id} to ${body.targets.join(", ")}, by ${nameOf(body.who)}`,
      ];
    case "epoch.begin":
      return [`epoch ${epoch} begun by ${nameOf(body.who)}: what was sent before is refused`];
    case "intent":
      return [`${body.phase}: ${body.entries.map(({ id }) => id).join(", ")}`];
    case "applied":
      return [`  done ${body.id}`];
    case "checkpoint":
      return [`  got on with ${body.id}`];
    case "barrier":
      return [`everything is staged; ${countText(body.befores.length, "step")} about to activate`];
    case "checked":
      return [`  ${body.status} ${body.id}${answerText(body)}`];
    case "decision":
      return [`decided to ${body.verdict}: ${body.reason}`];
    case "reverted":
      return body.entries.map(({ id, result }) => `  put back ${id}: ${result}`);
    case "skipped":
      return [
        `left as they are, by ${nameOf(body.who)}: ${body.units.join(", ")} (${body.reason})`,
      ];
    case "accepted":
      return [`what is live was accepted by ${nameOf(body.who)}: ${body.reason}`];
    case "parked":
    case "run.end":
      return endTexts(type, body);
    default:
      return [String(type)]; // written by a later version
  }
}

function nameOf({ user, machine }: Actor): string {
  return `${user} on ${machine}`;
}

function answerText({ wanted, found }: CheckResult): string {
  return `${wanted === undefined ? "" : `, wanted ${wanted}`}${found === undefined ? "" : `, found ${found}`}`;
}

function endTexts(type: string, { result, skewMs, diagnostics }: EndBody): string[] {
  const skew = skewMs === undefined ? "" : `, pointers moved within ${skewMs} ms`;
  return [
    `${type === "parked" ? "parked" : "ended"}: ${result}${skew}`,
    ...diagnostics.map(({ code, message }) => `  ${code}: ${message.split("\n")[0] ?? ""}`),
  ];
}
