import { type CheckResult, LockstepError } from "@lockstep/plugin";
import { type Process, SECRET } from "./scheduler.ts";

/** One thing that goes wrong. */
export interface Rule {
  /** Operations it strikes, by how their label begins or ends: `apply memory.activate/1 b`. */
  readonly on: { readonly label: string } | { readonly start: string } | { readonly end: string };
  /** Nothing was done, or it was done and the reply is lost. */
  readonly time: "before" | "after";
  /** How often; absent: until everything is healed. */
  readonly times?: number;
  readonly retryable?: true;
  /** The only process it strikes; absent: whoever comes. */
  readonly only?: number;
  /** Begins with this operation. */
  readonly since?: string;
}

/** What goes wrong in a schedule. */
export interface Script {
  readonly rules?: readonly Rule[];
  /** What checks say of the new release, until it is healed. */
  readonly verdict?: CheckResult["status"];
}

/** A script while it is played. */
export class Faults {
  readonly #left: Map<Rule, number>;
  readonly #seen = new Set<string>();
  #verdict: CheckResult["status"];
  /** How often something went wrong because of the script. */
  struck = 0;

  constructor({ rules = [], verdict = "pass" }: Script) {
    this.#left = new Map(rules.map((rule) => [rule, rule.times ?? Infinity]));
    this.#verdict = verdict;
  }

  /** Fails an operation that the script wants to fail; what a target says then holds its secret. */
  strike(process: Process, label: string, time: Rule["time"]): void {
    this.#seen.add(time === "before" ? label : `${label} done`);
    for (const [rule, left] of this.#left) {
      if (left === 0 || rule.time !== time || !isOn(rule, label)) continue;
      if (rule.only !== undefined && rule.only !== process.id) continue;
      if (rule.since !== undefined && !this.#seen.has(rule.since)) continue;
      this.#left.set(rule, left - 1);
      this.struck += 1;
      const what = `${label} failed ${time} it was done`;
      if (STORE_CALL.test(label)) throw new Error(what);
      const retryable = rule.retryable === true;
      throw new LockstepError({
        code: "MODEL_FAULT",
        message: `${what}, token ${SECRET}`,
        retryable,
      });
    }
  }

  /** What a check says of a unit with this content. */
  answer(content: string): CheckResult {
    if (content !== "two" || this.#verdict === "pass") return { status: "pass" };
    this.struck += 1;
    return { status: this.#verdict, wanted: "200", found: `500, token ${SECRET}` };
  }

  /** Everything works from here on. */
  heal(): void {
    this.#left.clear();
    this.#verdict = "pass";
  }
}

const STORE_CALL = /^(read|write|list) /;

function isOn({ on }: Rule, label: string): boolean {
  if ("label" in on) return on.label === label;
  return "start" in on ? label.startsWith(on.start) : label.endsWith(on.end);
}

const each = <T>(values: readonly T[], make: (value: T) => readonly [string, Script][]) =>
  values.flatMap(make);

const UNITS = ["a", "b", "c"];
const CHECK_FAILS: Script = { verdict: "fail" };

const stepFaults = each(UNITS, (unit) =>
  each(["stage", "activate"], (verb): [string, Script][] => {
    const on = { label: `apply memory.${verb}/1 ${unit}` };
    return [
      [`${verb} ${unit} fails`, { rules: [{ on, time: "before", times: 1 }] }],
      [`${verb} ${unit}: reply lost`, { rules: [{ on, time: "after", times: 1 }] }],
      [
        `${verb} ${unit}: reply lost, tried again`,
        { rules: [{ on, time: "after", times: 1, retryable: true }] },
      ],
    ];
  }),
);

const revertFaults = each(["a", "c"], (unit): [string, Script][] => {
  const on = { label: `revert memory.activate/1 ${unit}` };
  return [
    [
      `check fails, revert ${unit} fails once`,
      { ...CHECK_FAILS, rules: [{ on, time: "before", times: 1 }] },
    ],
    [
      `check fails, revert ${unit}: reply lost`,
      { ...CHECK_FAILS, rules: [{ on, time: "after", times: 1 }] },
    ],
    [`check fails, revert ${unit} fails`, { ...CHECK_FAILS, rules: [{ on, time: "before" }] }],
  ];
});

const unreachable = each(UNITS, (unit): [string, Script][] => [
  [
    `${unit} unreachable once its pointer moved`,
    {
      rules: [
        { on: { label: `apply memory.activate/1 ${unit}` }, time: "after" },
        { on: { end: ` ${unit}` }, time: "before", since: `apply memory.activate/1 ${unit} done` },
      ],
    },
  ],
  [
    `${unit} unreachable from the fence on`,
    { rules: [{ on: { end: ` ${unit}` }, time: "before", since: `fence ${unit}` }] },
  ],
]);

const storeFaults = each(
  ["leases", "run.begin", "intent", "applied", "barrier", "checked", "decision", "run.end"],
  (type): [string, Script][] => {
    const label = `write ${type}`;
    const since = { before: label, after: `${label} done` };
    const gone = (time: Rule["time"]): Script => ({
      rules: [
        { on: { label }, time, only: 1 },
        ...["write", "read", "list"].map((start): Rule => ({
          on: { start },
          time: "before",
          only: 1,
          since: since[time],
        })),
      ],
    });
    return [
      [`${type}: not stored`, { rules: [{ on: { label }, time: "before", times: 1, only: 1 }] }],
      [
        `${type}: stored, reply lost`,
        { rules: [{ on: { label }, time: "after", times: 1, only: 1 }] },
      ],
      [`store gone before ${type}`, gone("before")],
      [`store gone after ${type}`, gone("after")],
    ];
  },
);

/** Every script of the exhaustive sweep, by what goes wrong. */
export const SCRIPTS: Readonly<Record<string, Script>> = Object.fromEntries([
  ["nothing fails", {}],
  ["check fails", CHECK_FAILS],
  ["check inconclusive", { verdict: "inconclusive" }],
  [
    "inspect fails at the barrier",
    { rules: [{ on: { label: "inspect memory.activate/1 b" }, time: "before", times: 1 }] },
  ],
  ...stepFaults,
  ...revertFaults,
  ...unreachable,
  ...storeFaults,
]);
