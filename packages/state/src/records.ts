import type { Result } from "@lockstep/events";
import type { CheckResult, Json, Live, PlannedStep, Release, Reverted } from "@lockstep/plugin";
import type { LiveByTarget } from "./live.ts";
import type { Actor } from "./surroundings.ts";

/** What each type of record holds. Fields are only ever added: runs of earlier versions must be read. */
export interface RecordBodies {
  /** The plan is stored and the lease is held; nothing was written to a target yet. */
  readonly "run.begin": BeginBody;
  /** A recover took the run over, or the run is about to put back: earlier epochs are refused from here on. */
  readonly "epoch.begin": { readonly epoch: number; readonly who: Actor };
  /** Everything is staged; what the activate steps are about to change, before the first of them. */
  readonly barrier: { readonly befores: readonly Entry[] };
  /** These steps are about to be applied. Those to activate have their `before` in the barrier. */
  readonly intent: { readonly phase: PlannedStep["phase"]; readonly entries: readonly Entry[] };
  readonly applied: { readonly id: string; readonly output: Json };
  /** How far a long transfer got. */
  readonly checkpoint: { readonly id: string; readonly value: Json };
  /** The answer of a check that counted. */
  readonly checked: CheckResult & { readonly id: string };
  /** Written once; whatever comes after follows it. */
  readonly decision: { readonly verdict: "commit" | "abort"; readonly reason: string };
  /** Steps that were put back side by side; what is not written here is put back again. */
  readonly reverted: { readonly entries: readonly RevertEntry[] };
  /** Somebody said that these units are to be left as they are. */
  readonly skipped: Word & { readonly units: readonly string[] };
  /** Somebody took what is live for good. */
  readonly accepted: Word;
  /** The run waits for a recover. */
  readonly parked: EndBody;
  readonly "run.end": EndBody;
}

/** A step, by its full id, and what it saw before it changed anything. */
export interface Entry {
  readonly id: string;
  readonly before?: Json;
}

/** A step that was put back. */
export interface RevertEntry {
  readonly id: string;
  readonly result: Reverted | "left";
}

/** Who decided against the rules, and why. */
export interface Word {
  readonly who: Actor;
  readonly reason: string;
}

/** What the first record of a run holds. */
export interface BeginBody {
  readonly kind: "deploy" | "rollback";
  readonly environment: string;
  readonly release: Release;
  readonly who: Actor;
  readonly targets: readonly string[];
  readonly message?: string | undefined;
  /** Digest of the plan, kept beside the journal. */
  readonly plan: string;
  /** What every unit served before staging began. */
  readonly live: LiveByTarget;
}

/** What the last record of a run holds. */
export interface EndBody {
  readonly result: Result;
  /** What every unit served then. */
  readonly live: Readonly<Record<string, readonly Live[]>>;
  readonly outputs: Readonly<Record<string, Readonly<Record<string, Json>>>>;
  readonly diagnostics: readonly {
    readonly severity: "error" | "warning";
    readonly code: string;
    readonly message: string;
  }[];
  readonly skewMs?: number | undefined;
}

/** Names of the types of records. */
export type RecordType = keyof RecordBodies;

/** One fact of a run, as it is stored: one line of JSON under `runs/RUN/NNNNNNNN`. */
export type JournalRecord = { readonly [T in RecordType]: RecordOf<T> }[RecordType];

/** A record of one type. */
export interface RecordOf<T extends RecordType> {
  readonly v: 1;
  /** Position in the journal, from 0; also the key. */
  readonly seq: number;
  /** Digest of the bytes of the record before; empty for the first. */
  readonly prev: string;
  /** RFC 3339, UTC, for people only. */
  readonly at: string;
  readonly run: string;
  /** Epoch of the process that wrote it. */
  readonly epoch: number;
  readonly type: T;
  readonly body: RecordBodies[T];
}

/** The records of one type, in order. */
export function recordsOf<T extends RecordType>(
  records: readonly JournalRecord[],
  type: T,
): readonly RecordOf<T>[] {
  return records.filter((record) => record.type === type) as unknown as readonly RecordOf<T>[];
}
