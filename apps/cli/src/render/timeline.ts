import type { JournalRecord } from "@lockstep/core";
import { countText, safeText, timeText } from "./text.ts";

/** The members of the record bodies that the timeline tells. */
interface Facts {
  readonly kind?: string;
  readonly release?: { readonly id: string };
  readonly who?: { readonly user: string; readonly machine: string };
  readonly targets?: readonly string[];
  readonly phase?: string;
  readonly entries?: readonly { readonly id: string }[];
  readonly befores?: readonly unknown[];
  readonly id?: string;
  readonly status?: string;
  readonly wanted?: string;
  readonly found?: string;
  readonly verdict?: string;
  readonly reason?: string;
  readonly result?: string;
  readonly skewMs?: number;
  readonly diagnostics?: readonly { readonly code: string; readonly message: string }[];
}

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

function textsOf({ type, epoch, body }: JournalRecord): string[] {
  const facts = body as unknown as Facts;
  const who = `${facts.who?.user ?? ""} on ${facts.who?.machine ?? ""}`;
  switch (type) {
    case "run.begin":
      return [
        `${facts.kind ?? ""} of release ${facts.release?.id ?? ""} to ${(facts.targets ?? []).join(", ")}, by ${who}`,
      ];
    case "epoch.begin":
      return [`recover begun by ${who} (epoch ${epoch})`];
    case "intent":
      return [`${facts.phase ?? ""}: ${(facts.entries ?? []).map(({ id }) => id).join(", ")}`];
    case "applied":
      return [`  done ${facts.id ?? ""}`];
    case "checkpoint":
      return [`  got on with ${facts.id ?? ""}`];
    case "barrier":
      return [
        `everything is staged; ${countText(facts.befores?.length ?? 0, "step")} about to activate`,
      ];
    case "checked":
      return [`  ${facts.status ?? ""} ${facts.id ?? ""}${answerText(facts)}`];
    case "decision":
      return [`decided to ${facts.verdict ?? ""}: ${facts.reason ?? ""}`];
    case "reverted":
      return [`  put back ${facts.id ?? ""}: ${facts.result ?? ""}`];
    case "parked":
    case "run.end":
      return endTexts(type, facts);
    default:
      return [type];
  }
}

function answerText({ wanted, found }: Facts): string {
  return `${wanted === undefined ? "" : `, wanted ${wanted}`}${found === undefined ? "" : `, found ${found}`}`;
}

function endTexts(type: string, { result = "", skewMs, diagnostics = [] }: Facts): string[] {
  const skew = skewMs === undefined ? "" : `, pointers moved within ${skewMs} ms`;
  return [
    `${type === "parked" ? "parked" : "ended"}: ${result}${skew}`,
    ...diagnostics.map(({ code, message }) => `  ${code}: ${message.split("\n")[0] ?? ""}`),
  ];
}
