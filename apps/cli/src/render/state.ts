import { type About, type Diagnostic, type Event, type Phase } from "@lockstep/events";
import { placeText } from "./text.ts";

/** What is known of a run from its events so far. */
export interface RunState {
  /** Steps that have begun and not ended, by {@link keyOf}. */
  readonly active: Map<string, ActiveStep>;
  /** What each step does, by {@link keyOf}; also after it ended. */
  readonly texts: Map<string, string>;
  /** The beginning of a line that a plugin has not ended yet, by {@link keyOf}. */
  readonly partial: Map<string, string>;
  readonly watched: (Event & { readonly type: "watch.finished" })[];
  /** Milliseconds since 1970 of the first event. */
  begunAt: number | undefined;
  phase: Phase | undefined;
  /** Steps of the phases begun so far. */
  steps: number;
  done: number;
  /** The run that is waited for. */
  holder: string | undefined;
}

/** A step that is going on. */
export interface ActiveStep {
  readonly place: string;
  readonly text: string;
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly bytes?: number;
  readonly totalBytes?: number;
  readonly items?: number;
  readonly totalItems?: number;
}

/** A run of which nothing has happened yet. */
export function newState(): RunState {
  return {
    active: new Map(),
    texts: new Map(),
    partial: new Map(),
    watched: [],
    begunAt: undefined,
    phase: undefined,
    steps: 0,
    done: 0,
    holder: undefined,
  };
}

/** Takes in what happened. */
export function advance(state: RunState, event: Event): void {
  const at = Date.parse(event.at);
  state.begunAt ??= at;
  if (event.type !== "lease.waiting") state.holder = undefined;
  const key = keyOf(event);
  switch (event.type) {
    case "lease.waiting":
      state.holder = event.holder;
      return;
    case "phase.started":
      state.phase = event.phase;
      state.steps += event.steps;
      return;
    case "step.started":
      state.active.set(key, { place: placeText(event), text: event.text, since: at });
      state.texts.set(key, event.text);
      return;
    case "step.progress":
      state.active.set(key, { ...activeOf(state, event, at), ...amountsOf(event) });
      return;
    case "step.log":
      state.partial.set(key, linesOf(state, event).rest);
      return;
    case "step.finished":
      state.active.delete(key);
      state.partial.delete(key);
      state.done += 1;
      return;
    case "watch.finished":
      state.watched.push(event);
      return;
    case "run.started":
    case "plan.finished":
    case "phase.finished":
    case "step.retrying":
    case "check.tried":
    case "barrier":
    case "decision":
    case "diagnostic":
    case "finding":
    case "run.finished":
  }
}

/** Whole lines of a log, together with what came before; and the line that is not yet whole. */
export function linesOf(
  { partial }: RunState,
  event: Event & { readonly type: "step.log" },
): { readonly lines: readonly string[]; readonly rest: string } {
  const lines = ((partial.get(keyOf(event)) ?? "") + event.text).split(/\r?\n/);
  return { lines: lines.slice(0, -1), rest: lines.at(-1) ?? "" };
}

/** One name for a step, the same in all its events and in its diagnostic. */
export function keyOf(about: Diagnostic | Event): string {
  const { target, unit, step }: About = about as About;
  return JSON.stringify([target, unit, step]);
}

/** Progress may come before, or without, the step that it belongs to: while a target plans. */
function activeOf(
  state: RunState,
  event: Event & { readonly type: "step.progress" },
  at: number,
): ActiveStep {
  return state.active.get(keyOf(event)) ?? { place: placeText(event), text: "", since: at };
}

function amountsOf(event: Event & { readonly type: "step.progress" }): Partial<ActiveStep> {
  const { bytes, totalBytes, items, totalItems } = event;
  return Object.fromEntries(
    Object.entries({ bytes, totalBytes, items, totalItems }).filter(
      ([, value]) => value !== undefined,
    ),
  );
}
