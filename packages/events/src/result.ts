import { EXIT } from "./diagnostic.ts";

/** How a run ended, in one word. */
export type Result =
  | "done"
  | "unchanged"
  | "failed"
  | "interrupted"
  | "rolled-back"
  | "accepted"
  | "needs-human"
  | "parked"
  | "inconclusive"
  | "fenced";

/** What each result says about production. */
export const EXIT_OF: Readonly<Record<Result, number>> = {
  done: EXIT.done,
  unchanged: EXIT.done,
  failed: EXIT.failedBeforeActivation,
  interrupted: EXIT.interrupted,
  "rolled-back": EXIT.rolledBack,
  accepted: EXIT.done,
  "needs-human": EXIT.human,
  parked: EXIT.parked,
  inconclusive: EXIT.inconclusive,
  fenced: EXIT.fenced,
};

const OPEN: readonly Result[] = ["needs-human", "parked", "inconclusive"];

/** True when the run is not over: it must be recovered. */
export function isOpen(result: Result): boolean {
  return OPEN.includes(result);
}
