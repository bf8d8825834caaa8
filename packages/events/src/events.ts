import type { CheckResult, Finding, Json, Progress } from "@lockstep/plugin";
import type { Redactor } from "./redact.ts";

/** The part of a run an event is about; all absent for the run as a whole. */
export interface About {
  readonly target?: string | undefined;
  readonly unit?: string | undefined;
  /** Id of the step within its target. */
  readonly step?: string | undefined;
}

/** Phases in the order in which they are shown. */
export type Phase = "plan" | "stage" | "activate" | "verify" | "revert" | "retire";

/** An error as events, journal and JSON output show it. */
export interface Diagnostic extends About {
  readonly severity: "error" | "warning";
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** What happened in a run. Fields are only ever added; unknown types must be ignored. */
export type EventBody =
  | {
      readonly type: "run.started";
      readonly environment: string;
      readonly release: string;
      readonly epoch: number;
    }
  | { readonly type: "lease.waiting"; readonly holder: string }
  | { readonly type: "plan.finished"; readonly targets: readonly PlannedTarget[] }
  | { readonly type: "phase.started"; readonly phase: Phase; readonly steps: number }
  | { readonly type: "phase.finished"; readonly phase: Phase; readonly ms: number }
  | (About & { readonly type: "step.started"; readonly phase: Phase; readonly text: string })
  | (About & { readonly type: "step.progress" } & Progress)
  | (About & { readonly type: "step.log"; readonly text: string })
  | (About & { readonly type: "step.retrying"; readonly attempt: number; readonly reason: string })
  | (About & { readonly type: "check.tried" } & CheckResult)
  | (About & {
      readonly type: "step.finished";
      readonly phase: Phase;
      readonly result: StepResult;
      readonly ms: number;
    })
  | { readonly type: "barrier" }
  | { readonly type: "decision"; readonly verdict: "commit" | "abort"; readonly reason: string }
  | (About & {
      readonly type: "watch.finished";
      readonly requests: number;
      readonly failed: number;
      readonly slowestMs: number;
    })
  | (Diagnostic & { readonly type: "diagnostic" })
  | (About & { readonly type: "finding" } & Finding)
  | {
      readonly type: "run.finished";
      readonly result: string;
      readonly exit: number;
      readonly skewMs?: number | undefined;
    };

/** How a step ended. */
export type StepResult =
  | "applied"
  | "passed"
  | "inconclusive"
  | "failed"
  | "restored"
  | "untouched"
  | "conflict"
  | "left"
  | "retired";

/** One line of a plan's summary. */
export interface PlannedTarget {
  readonly target: string;
  readonly changes: number;
  readonly unchanged: number;
  readonly steps: number;
  readonly bytes: number;
}

/** An event as sinks get it. */
export type Event = EventBody & {
  /** Major version of the format. */
  readonly v: 1;
  /** Counts from 0 without gaps in one process. */
  readonly seq: number;
  /** RFC 3339, UTC, milliseconds. */
  readonly at: string;
  /** Empty until a run has begun. */
  readonly run: string;
};

/** Takes events. A sink that throws is dropped; it can never fail a run. */
export type Sink = (event: Event) => void;

/** Where the runner tells what happens. */
export interface Events {
  emit(body: EventBody): void;
  /** Names the run in all later events. */
  begin(run: string): void;
}

/** Makes the one stream of events; secrets are blanked out before any sink sees them. */
export function createEvents(
  sinks: readonly Sink[],
  redactor: Redactor,
  now: () => number,
): Events {
  const live = new Set(sinks);
  let seq = 0;
  let run = "";
  return {
    begin(name) {
      run = name;
    },
    emit(body) {
      const plain = { v: 1, seq: seq++, at: new Date(now()).toISOString(), run, ...body };
      const event = redactor.json(plain as unknown as Json) as unknown as Event;
      for (const sink of live) {
        try {
          sink(event);
        } catch {
          live.delete(sink); // a full disk behind --events must not stop a deploy
        }
      }
    },
  };
}
